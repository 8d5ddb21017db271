/** Everything that the management API can refuse, and what becomes of the errors of the registry. */
import { commonProblems, problemsOf, type Problem, type ProblemCatalogue } from '../http/problem.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { HasherBusyError } from '../registry/users/password.ts'

export const managementProblems = {
  ...commonProblems,
  'privilege-raised': {
    status: 403,
    title: 'This would give more than the caller has',
    about:
      'Nobody gives access to the management API that they lack themselves, by an API key, a client or a role, nor lays hands on a client or a person that has it. `detail` names the missing scopes.',
    de: {
      title: 'Das gäbe mehr, als der Aufrufer hat',
      about:
        'Niemand vergibt einen Zugang zur Management-API, der ihm selbst fehlt, sei es durch API-Schlüssel, Client oder Rolle, oder vergreift sich an Clients oder Personen, die ihn haben. `detail` nennt die fehlenden Scopes.',
    },
  },
  'built-in': {
    status: 403,
    title: 'This is a part of Grantry itself',
    about: 'It was made by the server, which relies on it; it can be read, but not changed or deleted.',
    de: {
      title: 'Das ist ein Teil von Grantry selbst',
      about:
        'Der Server hat es angelegt und verlässt sich darauf; es lässt sich lesen, aber weder ändern noch löschen.',
    },
  },
  'own-account': {
    status: 403,
    title: 'Nobody shuts their own account here',
    about: 'Have somebody else disable, delete or demote it, so that no server is left without an operator by mistake.',
    de: {
      title: 'Niemand sperrt hier das eigene Konto',
      about: 'Eine andere Person muss es sperren, löschen oder herabstufen, damit kein Server ohne Betreiber bleibt.',
    },
  },
  'username-taken': {
    status: 409,
    title: 'Another user has this username',
    about: 'Usernames are unique, whatever their case. Choose another one.',
    de: {
      title: 'Diesen Benutzernamen hat schon jemand',
      about: 'Benutzernamen sind eindeutig, ohne Rücksicht auf Groß- und Kleinschreibung. Einen anderen wählen.',
    },
  },
  'email-taken': {
    status: 409,
    title: 'Another user has this e-mail address',
    about: 'An address belongs to one user, because people sign in with it.',
    de: {
      title: 'Diese E-Mail-Adresse hat schon jemand',
      about: 'Eine Adresse gehört zu einer Person, denn man meldet sich damit an.',
    },
  },
  'audience-taken': {
    status: 409,
    title: 'Another resource has this audience',
    about: 'An audience names one API, in whatever spelling. Change the resource that has it, or choose another.',
    de: {
      title: 'Diese Audience hat schon eine andere Ressource',
      about:
        'Eine Audience benennt eine API, wie immer man sie schreibt. Jene Ressource ändern oder eine andere wählen.',
    },
  },
  'last-secret': {
    status: 409,
    title: 'This is the last secret of the client',
    about: 'Without it the client could not authenticate. Rotate it with `overlap_seconds` 0 to end it at once.',
    de: {
      title: 'Das ist das letzte Secret des Clients',
      about:
        'Ohne es könnte sich der Client nicht ausweisen. Mit `overlap_seconds` 0 erneuern, um es sofort zu beenden.',
    },
  },
  'history-gone': {
    status: 410,
    title: 'Events at this cursor are no longer kept',
    about:
      'The reader was away for longer than events are kept and has missed some. Read the things themselves, and go on from the cursor in `oldest_cursor`.',
    de: {
      title: 'Die Ereignisse an diesem Cursor sind nicht mehr da',
      about:
        'Der Leser war länger fort, als Ereignisse aufgehoben werden, und hat einige verpasst. Die Dinge selbst lesen und beim Cursor in `oldest_cursor` weitermachen.',
    },
  },
  'webhook-inactive': {
    status: 409,
    title: 'The webhook is not active',
    about: 'Nothing is delivered to it at the moment. Set its `state` to `active` first.',
    de: {
      title: 'Der Webhook ist nicht aktiv',
      about: 'Ihm wird zurzeit nichts zugestellt. Erst `state` auf `active` setzen.',
    },
  },
  'no-secret': {
    status: 409,
    title: 'Clients of this kind have no secret',
    about: 'Code that runs in a browser or on a device can keep no secret; `spa` and `native` clients use PKCE alone.',
    de: {
      title: 'Clients dieser Art haben kein Secret',
      about: 'Was im Browser oder auf einem Gerät läuft, kann kein Geheimnis bewahren; `spa` und `native` nutzen PKCE.',
    },
  },
  'key-ended': {
    status: 409,
    title: 'The API key has ended',
    about: 'A key that was revoked or has expired stays as it was. Make a new one.',
    de: {
      title: 'Der API-Schlüssel ist beendet',
      about: 'Ein widerrufener oder abgelaufener Schlüssel bleibt, wie er war. Einen neuen anlegen.',
    },
  },
  'overlap-runs': {
    status: 409,
    title: 'The value before the last rotation still works',
    about:
      'Until its overlap ends the key can not be rotated again: `previous` of the key says when. Or revoke the key.',
    de: {
      title: 'Der Wert vor der letzten Erneuerung gilt noch',
      about:
        'Bis seine Frist endet, lässt sich der Schlüssel nicht erneut erneuern: `previous` sagt, wann. Oder ihn widerrufen.',
    },
  },
  'next-key-too-young': {
    status: 409,
    title: 'The next signing key is not published for long enough',
    about:
      'Verifiers that hold the JWKS may not have seen it yet. `Retry-After` says when it can sign. After a leak, delete the key instead.',
    de: {
      title: 'Der nächste Signaturschlüssel ist noch nicht lange genug veröffentlicht',
      about:
        'Wer das JWKS aufbewahrt, kennt ihn vielleicht noch nicht. `Retry-After` sagt, ab wann er signieren kann. Nach einem Leck den Schlüssel stattdessen löschen.',
    },
  },
} satisfies ProblemCatalogue

/** `throw problem('audience-taken')` */
export const problem = problemsOf(managementProblems)

/** What the `type` of every problem is appended to; it leads to `problemsPath`. */
export function problemTypeBase(issuer: string): string {
  return `${issuer}${problemsPath}#`
}

export const problemsPath = '/problems'

/** Seconds after which a caller may find the password hasher free. */
const HASHER_PATIENCE = '1'

const CONFLICTS: Readonly<Record<string, keyof typeof managementProblems>> = {
  version: 'precondition-failed',
  username: 'username-taken',
  email: 'email-taken',
  audience: 'audience-taken',
  secrets: 'last-secret',
  overlap_seconds: 'overlap-runs',
  revoked_at: 'key-ended',
  expires_at: 'key-ended',
}

/** What the registry's refusals are in this API's language; undefined for errors that are nobody's answer. */
export function problemOfRegistry(error: unknown): Problem | undefined {
  if (error instanceof HasherBusyError) {
    const detail = 'too many passwords are being checked at the moment'
    return problem('unavailable', { detail, headers: { 'Retry-After': HASHER_PATIENCE }, cause: error })
  }
  if (!(error instanceof RegistryError)) return undefined
  const { code, message, field } = error
  switch (code) {
    case 'invalid':
      return problem('invalid-request', {
        detail: message,
        errors: [{ pointer: field === undefined ? '#' : `#/${field}`, detail: message }],
      })
    case 'not_found':
      return problem('not-found', { detail: message })
    case 'conflict':
      return problem(CONFLICTS[field ?? ''] ?? 'conflict', { detail: message })
    case 'forbidden':
      return problem(field === undefined || field === 'built_in' ? 'built-in' : 'forbidden', { detail: message })
  }
}
