/** What every API of ours can refuse. The first of each status is what an error that says no more than its status becomes. */
import type { ProblemCatalogue } from './problem.ts'

export const commonProblems = {
  'invalid-request': {
    status: 400,
    title: 'The request is not valid',
    about: 'Something in the request is malformed or out of range. `errors` points at each place.',
    de: {
      title: 'Die Anfrage ist ungültig',
      about: 'Etwas in der Anfrage ist fehlerhaft oder außerhalb des Erlaubten. `errors` zeigt auf jede Stelle.',
    },
  },
  'cursor-invalid': {
    status: 400,
    title: 'The cursor does not count',
    about: 'It was changed, belongs to another list or is older than three days. Begin again without `cursor`.',
    de: {
      title: 'Der Cursor gilt nicht',
      about:
        'Er wurde verändert, gehört zu einer anderen Liste oder ist älter als drei Tage. Ohne `cursor` neu beginnen.',
    },
  },
  'cursor-mismatch': {
    status: 400,
    title: 'The cursor belongs to another selection',
    about: 'A cursor is good for the filters and the order that it was made with. Send the same, or begin without it.',
    de: {
      title: 'Der Cursor gehört zu einer anderen Auswahl',
      about: 'Ein Cursor gilt nur für die Filter und die Reihenfolge, mit denen er entstand.',
    },
  },
  'idempotency-key-invalid': {
    status: 400,
    title: 'The idempotency key is malformed',
    about:
      '`Idempotency-Key` holds 1 to 255 visible ASCII characters, with or without quotes around them, and stands once.',
    de: {
      title: 'Der Idempotency-Key ist fehlerhaft',
      about: '`Idempotency-Key` enthält 1 bis 255 sichtbare ASCII-Zeichen, mit oder ohne Anführungszeichen, einmal.',
    },
  },
  'version-conflict': {
    status: 400,
    title: 'The request names several versions of the API',
    about: 'Path, `API-Version`, `Accept` and `?version=` may each name the version; those that do must agree.',
    de: {
      title: 'Die Anfrage nennt mehrere Versionen der API',
      about:
        'Pfad, `API-Version`, `Accept` und `?version=` dürfen die Version nennen, müssen dann aber übereinstimmen.',
    },
  },
  'version-unknown': {
    status: 400,
    title: 'There is no such version of the API',
    about: 'The list of versions stands at `/versions` below the root of the API.',
    de: {
      title: 'Diese Version der API gibt es nicht',
      about: 'Die Liste der Versionen steht unter `/versions` an der Wurzel der API.',
    },
  },
  unauthenticated: {
    status: 401,
    title: 'A valid access token is required',
    about: 'No token came, or it does not count here. `WWW-Authenticate` says why and what is needed.',
    de: {
      title: 'Ein gültiges Zugriffstoken ist nötig',
      about: 'Es kam kein Token, oder es gilt hier nicht. `WWW-Authenticate` sagt, warum und was gebraucht wird.',
    },
  },
  forbidden: {
    status: 403,
    title: 'This is not permitted',
    about: 'The credentials are good, but they do not cover this request.',
    de: { title: 'Das ist nicht erlaubt', about: 'Der Ausweis ist gut, deckt diese Anfrage aber nicht.' },
  },
  'insufficient-scope': {
    status: 403,
    title: 'The credentials lack a scope',
    about: '`WWW-Authenticate` names the scope that is needed.',
    de: { title: 'Dem Ausweis fehlt ein Scope', about: '`WWW-Authenticate` nennt den Scope, der nötig ist.' },
  },
  'not-found': {
    status: 404,
    title: 'There is nothing here',
    about: 'No such resource, or none for you.',
    de: { title: 'Hier ist nichts', about: 'Diese Ressource gibt es nicht, oder nicht für Sie.' },
  },
  'method-not-allowed': {
    status: 405,
    title: 'The resource has no such method',
    about: '`Allow` lists the methods that it has.',
    de: { title: 'Die Ressource kennt diese Methode nicht', about: '`Allow` nennt die Methoden, die sie kennt.' },
  },
  'not-acceptable': {
    status: 406,
    title: 'There is no acceptable representation',
    about: 'Nothing that `Accept` names is offered here; `detail` lists what is.',
    de: {
      title: 'Es gibt keine passende Darstellung',
      about: 'Nichts von dem, was `Accept` nennt, gibt es hier; `detail` zählt auf, was es gibt.',
    },
  },
  conflict: {
    status: 409,
    title: 'The request conflicts with the present state',
    about: 'Something stands in the way that the caller may be able to clear; `detail` says what.',
    de: {
      title: 'Die Anfrage widerspricht dem jetzigen Zustand',
      about: 'Etwas steht im Weg, das sich vielleicht beseitigen lässt; `detail` sagt, was.',
    },
  },
  'idempotency-key-in-flight': {
    status: 409,
    title: 'The first request with this idempotency key is under way',
    about: 'Send it again after `Retry-After`; the answer will be that of the first.',
    de: {
      title: 'Die erste Anfrage mit diesem Idempotency-Key läuft noch',
      about: 'Nach `Retry-After` erneut senden; die Antwort wird die der ersten sein.',
    },
  },
  gone: {
    status: 410,
    title: 'This is gone for good',
    about: 'It was here and will not come back.',
    de: { title: 'Das gibt es nicht mehr', about: 'Es war hier und kommt nicht wieder.' },
  },
  'version-removed': {
    status: 410,
    title: 'This version of the API is gone',
    about: '`Link` with `rel="successor-version"` leads to the version that took its place.',
    de: {
      title: 'Diese Version der API gibt es nicht mehr',
      about: '`Link` mit `rel="successor-version"` führt zur Version, die an ihre Stelle trat.',
    },
  },
  'precondition-failed': {
    status: 412,
    title: 'It is not what you last saw',
    about: 'Somebody changed it since. Read it again, and repeat the change with the new `ETag` in `If-Match`.',
    de: {
      title: 'Es ist nicht mehr, was Sie zuletzt sahen',
      about:
        'Jemand hat es inzwischen geändert. Neu lesen und die Änderung mit dem neuen `ETag` in `If-Match` wiederholen.',
    },
  },
  'content-too-large': {
    status: 413,
    title: 'The content is too large',
    about: 'Send less; `detail` names the limit.',
    de: { title: 'Der Inhalt ist zu groß', about: 'Weniger senden; `detail` nennt die Grenze.' },
  },
  'uri-too-long': {
    status: 414,
    title: 'The URL is too long',
    about: 'No address of this API needs that many characters.',
    de: { title: 'Die URL ist zu lang', about: 'Keine Adresse dieser API braucht so viele Zeichen.' },
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The content has the wrong media type',
    about: 'Send a media type that `Accept-Post`, `Accept-Patch` or `detail` names.',
    de: {
      title: 'Der Inhalt hat den falschen Medientyp',
      about: 'Einen Medientyp senden, den `Accept-Post`, `Accept-Patch` oder `detail` nennt.',
    },
  },
  'misdirected-request': {
    status: 421,
    title: 'This server does not answer under that name',
    about: 'The request names another host; `detail` says which one is served here.',
    de: {
      title: 'Dieser Server antwortet nicht unter diesem Namen',
      about: 'Die Anfrage nennt einen anderen Host; `detail` sagt, welcher hier bedient wird.',
    },
  },
  unprocessable: {
    status: 422,
    title: 'The content makes no sense here',
    about: 'It is well formed, but what it says can not be done; `errors` or `detail` says why.',
    de: {
      title: 'Der Inhalt ergibt hier keinen Sinn',
      about: 'Er ist wohlgeformt, aber was er sagt, geht nicht; `errors` oder `detail` sagt, warum.',
    },
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The idempotency key was used for another request',
    about: 'A key stands for one request. Choose a new key for a new one.',
    de: {
      title: 'Der Idempotency-Key gehört zu einer anderen Anfrage',
      about: 'Ein Schlüssel steht für eine Anfrage. Für eine neue Anfrage einen neuen wählen.',
    },
  },
  'precondition-required': {
    status: 428,
    title: 'The change needs a precondition',
    about: 'Send the `ETag` of what is to be changed in `If-Match`, so that nobody else’s change is lost.',
    de: {
      title: 'Die Änderung braucht eine Bedingung',
      about:
        'Den `ETag` dessen, was geändert werden soll, in `If-Match` senden, damit keine fremde Änderung untergeht.',
    },
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    about: 'Wait for `Retry-After` seconds. `RateLimit-Policy` tells the quotas, `RateLimit` what is left of them.',
    de: {
      title: 'Zu viele Anfragen',
      about: '`Retry-After` Sekunden warten. `RateLimit-Policy` nennt die Kontingente, `RateLimit` den Rest.',
    },
  },
  'internal-error': {
    status: 500,
    title: 'The server failed',
    about: 'A fault of the server, not of the request. Tell its operator the `trace_id`.',
    de: {
      title: 'Der Server hat versagt',
      about: 'Ein Fehler des Servers, nicht der Anfrage. Dem Betreiber die `trace_id` nennen.',
    },
  },
  'not-implemented': {
    status: 501,
    title: 'The method is not known here',
    about: 'No resource has this method.',
    de: { title: 'Diese Methode ist hier unbekannt', about: 'Keine Ressource kennt diese Methode.' },
  },
  unavailable: {
    status: 503,
    title: 'The service is not available at the moment',
    about: 'Something that the service needs does not answer. Try again after `Retry-After`.',
    de: {
      title: 'Der Dienst ist gerade nicht verfügbar',
      about: 'Etwas, das der Dienst braucht, antwortet nicht. Nach `Retry-After` erneut versuchen.',
    },
  },
} satisfies ProblemCatalogue
