const TRAIL = '/api/internal/secret-audit'
const KEY = 'token'

/** An answer that is a problem document. */
export class Problem extends Error {
  constructor(status, detail, parameter) {
    super(detail)
    this.status = status
    this.parameter = parameter
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
}

async function request(path, parameters, signal, accept) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value)
  const headers = { accept, ...(token.get() !== null && { authorization: `Bearer ${token.get()}` }) }
  const response = await fetch(`${TRAIL}${path}?${query}`, { headers, signal, cache: 'no-store' })
  if (response.ok) return response
  const { detail, hint, parameter } = await response.json().catch(() => ({}))
  throw new Problem(
    response.status,
    [detail ?? `The server answered ${response.status}.`, hint].filter(Boolean).join(' '),
    parameter,
  )
}

/**
 * Reads the trail.
 *
 * @param {string} path below the trail
 * @param {Record<string, string | number | undefined>} parameters
 */
export async function read(path, parameters, signal) {
  const response = await request(path, parameters, signal, 'application/json')
  return response.json()
}

/** A whole result as a stream: its body, and the mark of its set of rows. */
export async function stream(parameters, mediaType, signal) {
  const response = await request('', parameters, signal, mediaType)
  return { body: response.body, mark: response.headers.get('secret-audit-mark') }
}

/** What the server says of itself. */
export async function settings() {
  const response = await fetch('/console/settings.json')
  return response.ok ? response.json() : { traceUrl: null }
}

/** How one may sign in besides a token, and who has. */
export async function signInConfig() {
  const response = await fetch('/auth/config', { cache: 'no-store' }).catch(() => undefined)
  return response?.ok === true ? response.json().catch(() => ({})) : {}
}

/** Ends what signing in began. A token is only forgotten. */
export const signOut = () => fetch('/auth/logout').catch(() => undefined)
