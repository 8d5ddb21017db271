import { html, type Html } from '../html.ts'
import type { PasswordError } from '../models.ts'

const several = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`

/**
 * Everything that the pages say, in English. This catalogue is the type of the others. Names, durations and times come as
 * `Html` that is cleaned and escaped; sentences are whole, so that another language may order its words differently.
 */
export const en = {
  lang: 'en',
  product: 'Grantry',
  unnamedApp: 'An app without a name',
  errorTitle: (title: string) => `Error: ${title}`,
  opensNewTab: '(opens in a new tab)',

  login: {
    title: 'Sign in',
    lead: (app: Html) => html`to continue to ${app}`,
    switchLead: (app: Html) => html`with another account, to continue to ${app}`,
    login: 'Username or email',
    password: 'Password',
    submit: 'Sign in',
    cancel: 'Cancel and go back',
    wrong: 'That did not work. Check the username and the password, and try again.',
    throttled: 'There have been too many attempts to sign in.',
    busy: 'Too many people are signing in at this moment.',
    retry: (wait: string) => `Try again ${wait}.`,
    retrySoon: 'Try again in a little while.',
  },

  consent: {
    title: 'Allow access?',
    lead: (app: Html) => html`${app} asks for access to your account.`,
    firstParty: 'An app of this service itself',
    signedInAs: 'Signed in as',
    switchAccount: 'Use another account',
    destination: 'Your answer goes to',
    loopback:
      'This address is on your own device: your answer goes to a program running here. Allow it only if you have just started that program yourself.',
    device: 'Your answer goes to the device that shows this code',
    deviceWarning:
      'Compare it with the device in front of you. If it shows another code, or somebody sent you this one, deny: they would get into your account.',
    scopes: (app: Html) => html`${app} would be able to:`,
    noScopes: 'It asks for none of your data, only for a confirmation that you signed in.',
    alreadyGranted: 'already allowed',
    howLong: 'How long',
    onlyOnce: (access: string) => html`<strong>${access}</strong>. After that, the app has to come back here.`,
    whileSignedIn: (total: string) =>
      html`<strong>As long as you stay signed in here</strong>, ${total} at most. Until then the app renews its access
        by itself.`,
    evenAway: (total: string) =>
      html`<strong>Up to ${total}</strong>, even while you are away. Until then the app renews its access by itself.`,
    nextTime: 'Next time',
    remembered: 'Your answer is remembered. You are asked again only if the app wants more.',
    notRemembered: 'Your answer is not remembered. You are asked again next time.',
    takeBack: 'Taking it back',
    takeBackHow: (account: string, access: string) =>
      html`At any time in <a href="${account}" target="_blank" rel="noopener">your account</a>. What the app already
        holds ends within ${access}.`,
    about: 'About this app',
    site: 'Website',
    clientId: 'Client ID',
    allow: 'Allow',
    deny: 'Deny',
  },

  device: {
    title: 'Connect a device',
    lead: 'Type the code that the device shows you.',
    compare: 'Does your device show this code?',
    code: 'Code on the device',
    hint: 'Eight letters. Small letters, spaces and dashes do not matter.',
    warning:
      'Go on only if you have the device in front of you. Nobody who is helping you needs you to enter a code from a message or a call.',
    submit: 'Continue',
    same: 'It is the same, continue',
    otherCode: 'Type another code',
    missing: 'Type the code that the device shows.',
    unknown: 'There is no such code. Check each letter, and try again.',
    expired: 'This code has expired. Let the device show a new one.',
    used: 'This code was used already. Let the device show a new one.',
    throttled: 'There have been too many wrong codes.',
    retry: (wait: string) => `Try again ${wait}.`,
    retrySoon: 'Try again in a little while.',
  },

  deviceDone: {
    approved: 'Your device is connected',
    approvedLead: (app: Html) => html`${app} goes on by itself. You can close this page.`,
    takeBack: (account: string) => html`In <a href="${account}">your account</a> you can disconnect it at any time.`,
    refused: 'The device was not connected',
    refusedLead: 'Nothing was shared. You can close this page.',
  },

  logout: {
    title: 'Sign out?',
    lead: 'This ends your session in this browser, for every app that you opened with it.',
    asked: (app: Html) => html`${app} asks whether you want to sign out.`,
    everywhere: 'Sign out',
    onlyApp: 'Sign out of this app only',
    stay: 'Stay signed in',
  },

  loggedOut: {
    title: 'You are signed out',
    everything: 'Your session in this browser has ended. You can close this page.',
    app: (app: Html) => html`You are signed out of ${app}. Your session here goes on, for your other apps.`,
    account: 'Go to your account',
  },

  error: {
    from: (app: Html) => html`You came here from ${app}.`,
    forSupport: 'If you ask for help, pass this on',
    code: 'Error',
    description: 'Details',
    traceId: 'Reference',
    kinds: {
      denied: {
        title: 'No access was given',
        text: 'The request was declined, and nothing was shared. You can go back and start again.',
      },
      unknownApp: {
        title: 'This app is not known here',
        text: 'It may have been removed, or its settings may be wrong. Tell the people who run the app.',
      },
      returnAddress: {
        title: 'The return address is not registered',
        text: 'The app wants you sent to an address that is not registered for it. We did not send you there, to protect you.',
      },
      notAllowed: {
        title: 'The app asks for more than it may have',
        text: 'It is not registered for what it asked for. Tell the people who run the app.',
      },
      appMistake: {
        title: 'The app made a mistake',
        text: 'Its request cannot be answered. Go back to the app and start again; if that does not help, tell the people who run it.',
      },
      signIn: {
        title: 'You need to sign in again',
        text: 'Go back to the app and start again.',
      },
      tooMany: {
        title: 'Too many requests',
        text: 'Wait a little, then try again.',
      },
      busy: {
        title: 'Not available at this moment',
        text: 'The service is busy or being worked on. Try again in a few minutes.',
      },
      ours: {
        title: 'Something went wrong on our side',
        text: 'It is not your fault. Try again in a few minutes.',
      },
    },
  },

  expired: {
    title: 'This page is no longer valid',
    lead: 'It was open for too long, has been answered already, or was opened in another browser.',
    restart: 'Start again',
    goBack: 'Go back to the app and start again.',
    goBackApp: (app: Html) => html`Go back to ${app} and start again.`,
  },

  account: {
    title: 'Your account',
    signOut: 'Sign out',
    notices: {
      'session-ended': 'The session has been ended.',
      'access-revoked': 'The access has been taken back.',
      'password-changed': 'Your password has been changed. Other sessions and connected apps have been signed out.',
      'others-ended': 'All other sessions have been ended.',
    },
    apps: 'Connected apps',
    appsLead: 'Apps that you allowed to use your account.',
    noApps: 'No app has access to your account.',
    firstParty: 'of this service',
    since: (day: Html) => html`Allowed on ${day}`,
    lastUsed: (ago: Html) => html`last used ${ago}`,
    neverUsed: 'not used yet',
    families: (count: number) =>
      count === 0 ? 'not connected right now' : several(count, 'active connection', 'active connections'),
    scopes: (count: number) => several(count, 'permission', 'permissions'),
    noScopes: 'No data, only a confirmation that you signed in.',
    revoke: 'Take back access',
    revokeOf: (app: Html) => html`of ${app}`,
    sessions: 'Where you are signed in',
    sessionsLead: 'End a session that you do not recognise, then change your password.',
    noSessions: 'There is no session.',
    device: (browser: string | null, system: string | null) =>
      browser === null ? (system ?? 'Unknown browser') : system === null ? browser : `${browser} on ${system}`,
    current: 'this browser',
    signedIn: (moment: Html) => html`Signed in ${moment}`,
    lastSeen: (ago: Html) => html`last seen ${ago}`,
    justNow: 'just now',
    address: (address: Html) => html`from ${address}`,
    endSession: 'End session',
    endSessionOf: (device: string) => `on ${device}`,
    endOthers: 'End all other sessions',
    password: 'Change password',
    passwordLead: 'This signs out your other sessions and every connected app.',
    username: 'Username',
    currentPassword: 'Current password',
    newPassword: 'New password',
    newPasswordHint: '15 to 128 characters, spaces included. Several words in a row are strong and easy to remember.',
    repeatPassword: 'New password once more',
    changePassword: 'Change password',
    passwordErrors: {
      'wrong-current': 'The current password is not right.',
      mismatch: 'The new password was not typed the same way twice.',
      throttled: 'There have been too many attempts. Try again in a few minutes.',
      busy: 'Too many passwords are being checked at this moment. Try again in a little while.',
      too_short: 'The new password is too short. It needs at least 15 characters.',
      too_long: 'The new password is too long. It may have at most 128 characters.',
      unusable_characters: 'The new password contains characters that cannot be used, such as line breaks.',
      contains_context:
        'The new password must not contain your username, your email address, your name or the name of this service.',
      too_common:
        'The new password is too easy to guess. Choose several words that have nothing to do with each other.',
    } satisfies Record<PasswordError, string>,
  },

  notFound: {
    title: 'Page not found',
    lead: 'There is nothing at this address. Check it, or go back to where you came from.',
    account: 'Go to your account',
  },

  /** Scopes of OpenID Connect in words, for consent and account pages; `ownGroup` is the heading they stand under. */
  scopes: {
    ownGroup: 'Your account',
    openid: 'Recognise you when you sign in',
    profile: 'See your name and username',
    email: 'See your email address',
    offline_access: 'Keep its access while you are away',
  },
}

export type Messages = typeof en
