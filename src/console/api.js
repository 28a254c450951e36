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

/**
 * Reads the trail.
 *
 * @param {string} path below the trail
 * @param {Record<string, string | number | undefined>} parameters
 */
export async function read(path, parameters, signal) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value)
  const headers = token.get() === null ? {} : { authorization: `Bearer ${token.get()}` }
  const response = await fetch(`${TRAIL}${path}?${query}`, { headers, signal, cache: 'no-store' })
  if (response.ok) return response.json()
  const { detail, hint, parameter } = await response.json().catch(() => ({}))
  throw new Problem(
    response.status,
    [detail ?? `The server answered ${response.status}.`, hint].filter(Boolean).join(' '),
    parameter,
  )
}

/** What the server says of itself. */
export async function settings() {
  const response = await fetch('/console/settings.json')
  return response.ok ? response.json() : { traceUrl: null }
}
