/** What a database URL looks like, for messages. */
const FORM = 'postgres://user:password@host:5432/database'

const SCHEME = /^[a-z][a-z\d+.-]*:\/\//i

/** @returns what is wanted, when `text` is not the URL of a Postgres database. It quotes nothing of `text` */
export function databaseUrlWanted(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\//i.test(text)) {
    return `a URL that begins with postgres:// or postgresql://, such as ${FORM}`
  }
  if (hasSeveralHosts(text)) {
    return `a URL with one host, such as ${FORM}: several, and target_session_attrs, are not supported. Use a name or a proxy that leads to the primary`
  }
  if (isParsed(text)) return undefined
  return `a URL that can be parsed, such as ${FORM}: what is special in its password needs percent-encoding (@ is %40, # is %23, / is %2F, ? is %3F)`
}

/**
 * A database URL for people to read. A password with a raw `@`, `/`, `?` or `#` is cut elsewhere by a parser of URLs, so
 * everything up to the last `@` counts as password here. Parameters are left out, since they may carry one as well.
 */
export function maskedDatabaseUrl(text: string): string {
  const [scheme] = SCHEME.exec(text) ?? []
  if (scheme === undefined) return '***'
  const rest = text.slice(scheme.length)
  const end = rest.lastIndexOf('@')
  if (end < 0 && !isParsed(text)) return `${scheme}***`
  const login = rest.slice(0, Math.max(0, end))
  const place = rest.slice(Math.max(0, end)).replace(/[?#].*$/s, '')
  const [user = ''] = login.split(':', 1)
  return `${scheme}${user}${login === user ? '' : ':***'}${place}`
}

/** As libpq takes them: `postgres://user:password@one:5432,two:5432/database`. A comma in a password is one of a password. */
function hasSeveralHosts(text: string): boolean {
  const [authority = ''] = text.replace(SCHEME, '').split(/[/?#]/, 1)
  return /^[\w.-]+(:\d+)?(,[\w.-]+(:\d+)?)+$/.test(authority.slice(authority.lastIndexOf('@') + 1))
}

function isParsed(text: string): boolean {
  // node-postgres takes a login without a host, for a socket: `postgres://orders@/app?host=/run/postgresql`.
  const url = text.replace('@/', '@localhost/')
  // A fragment means nothing to Postgres, and a raw @ in the name of a database is improbable: both are the rest of a
  // password, and the server would be another one.
  return URL.canParse(url) && !url.includes('#') && !/^[^/]*\/\/[^/?]*\/[^?]*@/.test(url)
}

/** The same database for another login, with the given password or none. */
export function loginUrl(databaseUrl: string, login: string, password?: string): string {
  const [, scheme = 'postgres://', rest = ''] = /^([a-z]+:\/\/)(?:[^/?#]*@)?(.*)$/is.exec(databaseUrl) ?? []
  const [path = '', query = ''] = rest.split(/\?(.*)/s)
  const kept = query.split('&').filter((parameter) => !/^(?:$|user=|[^=]*password[^=]*=)/i.test(parameter))
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`
  return `${scheme}${encodeURIComponent(login)}${secret}@${path}${kept.length > 0 ? `?${kept.join('&')}` : ''}`
}
