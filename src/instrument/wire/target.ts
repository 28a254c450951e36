/** A request, as the channels of Node and undici show it. */
export interface WireRequest {
  readonly method: string
  /** `name` or `name:port` of whom the request is sent to: with a proxy, of the proxy. */
  readonly host: string
  /** As it is sent: with the query; with a forward proxy a whole URL. */
  readonly path: string
  /** @param name in lower case */
  header(name: string): string | undefined
}

/** Whom a request asks for what, whatever form it was sent in. */
export interface Target {
  /** Lower case. */
  readonly host: string
  /** Decoded, with neither dot segments nor doubled slashes; without the query. */
  readonly path: string
  /** Without its question mark; not decoded. */
  readonly query: string
}

/** A whole URL, an escaped character, a doubled slash, a dot segment, a slash at the end. */
const UNUSUAL = /^[^/]|%|\/\/|\/\.|\\|.\/$/

/** Of a path that is written as it is meant, nothing is copied but its parts. */
export function targetOf({ host, path }: WireRequest): Target {
  const mark = path.indexOf('?')
  const bare = mark < 0 ? path : path.slice(0, mark)
  const query = mark < 0 ? '' : path.slice(mark + 1)
  if (!UNUSUAL.test(bare)) return { host, path: bare, query }
  const url = /^https?:\/\//i.test(bare) && URL.canParse(bare) ? new URL(bare) : undefined
  return { host: url?.host ?? host, path: normalised(url?.pathname ?? bare), query }
}

/** As a server reads it that resolves escapes, doubled slashes and dot segments. */
function normalised(path: string): string {
  const kept: string[] = []
  for (const segment of decoded(path).split(/[/\\]+/)) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  return `/${kept.join('/')}`
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** A value of the query, decoded. */
export function queryValue({ query }: Target, name: string): string | undefined {
  if (query === '') return undefined
  return new URLSearchParams(query).get(name) ?? undefined
}

/** Tokens have been seen in paths; a name does not look like one. Source: the prefixes of Vault's tokens, and of JWTs. */
const TOKEN = /^(hv[sbr]\.|[sbr]\.|eyJ)/

/** A path, or a part of one, as it may be recorded. */
export function withoutTokens(path: string): string {
  if (path.length <= 64 && !/(^|\/)(hv[sbr]\.|[sbr]\.|eyJ)/.test(path)) return path
  return path
    .split('/')
    .map((segment) => (TOKEN.test(segment) || segment.length > 64 ? '[redacted]' : segment))
    .join('/')
}
