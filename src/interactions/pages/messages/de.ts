import { html, type Html } from '../html.ts'
import type { Messages } from './en.ts'

const several = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`

/** Everything that the pages say, in German, formally addressed. */
export const de: Messages = {
  lang: 'de',
  product: 'Grantry',
  unnamedApp: 'Eine App ohne Namen',
  errorTitle: (title: string) => `Fehler: ${title}`,
  opensNewTab: '(öffnet einen neuen Tab)',

  login: {
    title: 'Anmelden',
    lead: (app: Html) => html`und weiter zu ${app}`,
    switchLead: (app: Html) => html`mit einem anderen Konto, und weiter zu ${app}`,
    login: 'Benutzername oder E-Mail-Adresse',
    password: 'Passwort',
    submit: 'Anmelden',
    cancel: 'Abbrechen und zurückgehen',
    wrong: 'Das hat nicht geklappt. Prüfen Sie Benutzername und Passwort, und versuchen Sie es noch einmal.',
    throttled: 'Es gab zu viele Anmeldeversuche.',
    busy: 'Gerade melden sich zu viele Menschen gleichzeitig an.',
    retry: (wait: string) => `Versuchen Sie es ${wait} noch einmal.`,
    retrySoon: 'Versuchen Sie es in Kürze noch einmal.',
  },

  consent: {
    title: 'Zugriff erlauben?',
    lead: (app: Html) => html`${app} bittet um Zugriff auf Ihr Konto.`,
    firstParty: 'Eine App dieses Dienstes selbst',
    signedInAs: 'Angemeldet als',
    switchAccount: 'Anderes Konto verwenden',
    destination: 'Ihre Antwort geht an',
    loopback:
      'Diese Adresse liegt auf Ihrem eigenen Gerät: Ihre Antwort geht an ein Programm, das hier läuft. Erlauben Sie den Zugriff nur, wenn Sie dieses Programm gerade selbst gestartet haben.',
    device: 'Ihre Antwort geht an das Gerät, das diesen Code zeigt',
    deviceWarning:
      'Vergleichen Sie ihn mit dem Gerät vor Ihnen. Zeigt es einen anderen Code, oder hat Ihnen jemand diesen geschickt, dann lehnen Sie ab: Sonst käme diese Person in Ihr Konto.',
    scopes: (app: Html) => html`${app} könnte dann:`,
    noScopes: 'Die App möchte keine Ihrer Daten, nur eine Bestätigung, dass Sie sich angemeldet haben.',
    alreadyGranted: 'schon erlaubt',
    howLong: 'Wie lange',
    onlyOnce: (access: string) => html`<strong>${access}</strong>. Danach muss die App wieder hier anfragen.`,
    whileSignedIn: (total: string) =>
      html`<strong>Solange Sie hier angemeldet bleiben</strong>, höchstens ${total}. Bis dahin erneuert die App ihren
        Zugriff selbst.`,
    evenAway: (total: string) =>
      html`<strong>Bis zu ${total}</strong>, auch während Sie nicht da sind. Bis dahin erneuert die App ihren Zugriff
        selbst.`,
    nextTime: 'Beim nächsten Mal',
    remembered: 'Ihre Antwort wird gespeichert. Sie werden nur wieder gefragt, wenn die App mehr möchte.',
    notRemembered: 'Ihre Antwort wird nicht gespeichert. Sie werden beim nächsten Mal wieder gefragt.',
    takeBack: 'Zurücknehmen',
    takeBackHow: (account: string, access: string) =>
      html`Jederzeit in <a href="${account}" target="_blank" rel="noopener">Ihrem Konto</a>. Was die App dann schon hat,
        gilt höchstens noch ${access}.`,
    about: 'Über diese App',
    site: 'Website',
    clientId: 'Client-ID',
    allow: 'Erlauben',
    deny: 'Ablehnen',
  },

  device: {
    title: 'Gerät verbinden',
    lead: 'Geben Sie den Code ein, den das Gerät Ihnen zeigt.',
    compare: 'Zeigt Ihr Gerät diesen Code?',
    code: 'Code auf dem Gerät',
    hint: 'Acht Buchstaben. Kleinschreibung, Leerzeichen und Striche spielen keine Rolle.',
    warning:
      'Fahren Sie nur fort, wenn Sie das Gerät vor sich haben. Niemand, der Ihnen hilft, braucht von Ihnen die Eingabe eines Codes aus einer Nachricht oder einem Anruf.',
    submit: 'Weiter',
    same: 'Ja, es ist derselbe',
    otherCode: 'Anderen Code eingeben',
    missing: 'Geben Sie den Code ein, den das Gerät zeigt.',
    unknown: 'Diesen Code gibt es nicht. Prüfen Sie jeden Buchstaben, und versuchen Sie es noch einmal.',
    expired: 'Dieser Code ist abgelaufen. Lassen Sie sich vom Gerät einen neuen zeigen.',
    used: 'Dieser Code wurde schon benutzt. Lassen Sie sich vom Gerät einen neuen zeigen.',
    throttled: 'Es gab zu viele falsche Codes.',
    retry: (wait: string) => `Versuchen Sie es ${wait} noch einmal.`,
    retrySoon: 'Versuchen Sie es in Kürze noch einmal.',
  },

  deviceDone: {
    approved: 'Ihr Gerät ist verbunden',
    approvedLead: (app: Html) => html`${app} macht von selbst weiter. Sie können diese Seite schließen.`,
    takeBack: (account: string) => html`In <a href="${account}">Ihrem Konto</a> können Sie es jederzeit trennen.`,
    refused: 'Das Gerät wurde nicht verbunden',
    refusedLead: 'Es wurde nichts weitergegeben. Sie können diese Seite schließen.',
  },

  logout: {
    title: 'Abmelden?',
    lead: 'Damit endet Ihre Sitzung in diesem Browser, für alle Apps, die Sie mit ihr geöffnet haben.',
    asked: (app: Html) => html`${app} fragt, ob Sie sich abmelden möchten.`,
    everywhere: 'Abmelden',
    onlyApp: 'Nur von dieser App abmelden',
    stay: 'Angemeldet bleiben',
  },

  loggedOut: {
    title: 'Sie sind abgemeldet',
    everything: 'Ihre Sitzung in diesem Browser ist beendet. Sie können diese Seite schließen.',
    app: (app: Html) => html`Sie sind von ${app} abgemeldet. Ihre Sitzung hier läuft weiter, für Ihre anderen Apps.`,
    account: 'Zu Ihrem Konto',
  },

  error: {
    from: (app: Html) => html`Sie kommen von ${app}.`,
    forSupport: 'Wenn Sie um Hilfe bitten, geben Sie dies weiter',
    code: 'Fehler',
    description: 'Einzelheiten',
    traceId: 'Kennung',
    kinds: {
      denied: {
        title: 'Es wurde kein Zugriff gewährt',
        text: 'Die Anfrage wurde abgelehnt, und es wurde nichts weitergegeben. Sie können zurückgehen und neu beginnen.',
      },
      unknownApp: {
        title: 'Diese App ist hier nicht bekannt',
        text: 'Vielleicht wurde sie entfernt, oder ihre Einstellungen sind falsch. Wenden Sie sich an die Betreiber der App.',
      },
      returnAddress: {
        title: 'Die Rücksprungadresse ist nicht registriert',
        text: 'Die App möchte Sie an eine Adresse schicken, die für sie nicht registriert ist. Zu Ihrem Schutz haben wir das nicht getan.',
      },
      notAllowed: {
        title: 'Die App verlangt mehr, als sie darf',
        text: 'Für das, was sie verlangt, ist sie nicht registriert. Wenden Sie sich an die Betreiber der App.',
      },
      appMistake: {
        title: 'Die App hat einen Fehler gemacht',
        text: 'Ihre Anfrage lässt sich nicht beantworten. Gehen Sie zurück zur App und beginnen Sie neu; hilft das nicht, wenden Sie sich an ihre Betreiber.',
      },
      signIn: {
        title: 'Sie müssen sich neu anmelden',
        text: 'Gehen Sie zurück zur App und beginnen Sie neu.',
      },
      tooMany: {
        title: 'Zu viele Anfragen',
        text: 'Warten Sie etwas und versuchen Sie es dann noch einmal.',
      },
      busy: {
        title: 'Im Augenblick nicht erreichbar',
        text: 'Der Dienst ist ausgelastet oder wird gewartet. Versuchen Sie es in ein paar Minuten noch einmal.',
      },
      ours: {
        title: 'Bei uns ist etwas schiefgegangen',
        text: 'Es liegt nicht an Ihnen. Versuchen Sie es in ein paar Minuten noch einmal.',
      },
    },
  },

  expired: {
    title: 'Diese Seite gilt nicht mehr',
    lead: 'Sie war zu lange offen, wurde schon beantwortet oder in einem anderen Browser geöffnet.',
    restart: 'Neu beginnen',
    goBack: 'Gehen Sie zurück zur App und beginnen Sie neu.',
    goBackApp: (app: Html) => html`Gehen Sie zurück zu ${app} und beginnen Sie neu.`,
  },

  account: {
    title: 'Ihr Konto',
    signOut: 'Abmelden',
    notices: {
      'session-ended': 'Die Sitzung wurde beendet.',
      'access-revoked': 'Der Zugriff wurde zurückgenommen.',
      'password-changed': 'Ihr Passwort wurde geändert. Andere Sitzungen und verbundene Apps wurden abgemeldet.',
      'others-ended': 'Alle anderen Sitzungen wurden beendet.',
    },
    apps: 'Verbundene Apps',
    appsLead: 'Apps, denen Sie die Nutzung Ihres Kontos erlaubt haben.',
    noApps: 'Keine App hat Zugriff auf Ihr Konto.',
    firstParty: 'von diesem Dienst',
    since: (day: Html) => html`Erlaubt am ${day}`,
    lastUsed: (ago: Html) => html`zuletzt benutzt ${ago}`,
    neverUsed: 'noch nicht benutzt',
    families: (count: number) =>
      count === 0 ? 'gerade nicht verbunden' : several(count, 'aktive Verbindung', 'aktive Verbindungen'),
    scopes: (count: number) => several(count, 'Berechtigung', 'Berechtigungen'),
    noScopes: 'Keine Daten, nur eine Bestätigung, dass Sie sich angemeldet haben.',
    revoke: 'Zugriff zurücknehmen',
    revokeOf: (app: Html) => html`von ${app}`,
    sessions: 'Wo Sie angemeldet sind',
    sessionsLead: 'Beenden Sie eine Sitzung, die Sie nicht erkennen, und ändern Sie dann Ihr Passwort.',
    noSessions: 'Es gibt keine Sitzung.',
    device: (browser: string | null, system: string | null) =>
      browser === null ? (system ?? 'Unbekannter Browser') : system === null ? browser : `${browser} unter ${system}`,
    current: 'dieser Browser',
    signedIn: (moment: Html) => html`Angemeldet am ${moment}`,
    lastSeen: (ago: Html) => html`zuletzt gesehen ${ago}`,
    justNow: 'gerade eben',
    address: (address: Html) => html`von ${address}`,
    endSession: 'Sitzung beenden',
    endSessionOf: (device: string) => `auf ${device}`,
    endOthers: 'Alle anderen Sitzungen beenden',
    password: 'Passwort ändern',
    passwordLead: 'Das meldet Ihre anderen Sitzungen und alle verbundenen Apps ab.',
    username: 'Benutzername',
    currentPassword: 'Bisheriges Passwort',
    newPassword: 'Neues Passwort',
    newPasswordHint:
      '15 bis 128 Zeichen, auch Leerzeichen. Mehrere Wörter hintereinander sind sicher und leicht zu merken.',
    repeatPassword: 'Neues Passwort noch einmal',
    changePassword: 'Passwort ändern',
    passwordErrors: {
      'wrong-current': 'Das bisherige Passwort stimmt nicht.',
      mismatch: 'Das neue Passwort wurde nicht zweimal gleich eingegeben.',
      throttled: 'Es gab zu viele Versuche. Versuchen Sie es in ein paar Minuten noch einmal.',
      busy: 'Gerade werden zu viele Passwörter geprüft. Versuchen Sie es in Kürze noch einmal.',
      too_short: 'Das neue Passwort ist zu kurz. Es braucht mindestens 15 Zeichen.',
      too_long: 'Das neue Passwort ist zu lang. Es darf höchstens 128 Zeichen haben.',
      unusable_characters: 'Das neue Passwort enthält Zeichen, die nicht erlaubt sind, etwa Zeilenumbrüche.',
      contains_context:
        'Das neue Passwort darf weder Ihren Benutzernamen, Ihre E-Mail-Adresse oder Ihren Namen noch den Namen dieses Dienstes enthalten.',
      too_common:
        'Das neue Passwort ist zu leicht zu erraten. Wählen Sie mehrere Wörter, die nichts miteinander zu tun haben.',
    },
  },

  notFound: {
    title: 'Seite nicht gefunden',
    lead: 'Unter dieser Adresse gibt es nichts. Prüfen Sie die Adresse, oder gehen Sie dorthin zurück, woher Sie kamen.',
    account: 'Zu Ihrem Konto',
  },

  scopes: {
    ownGroup: 'Ihr Konto',
    openid: 'Sie bei der Anmeldung wiedererkennen',
    profile: 'Ihren Namen und Benutzernamen sehen',
    email: 'Ihre E-Mail-Adresse sehen',
    offline_access: 'Den Zugriff behalten, während Sie nicht da sind',
  },
}
