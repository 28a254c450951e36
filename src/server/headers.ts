/** Of every answer: nothing of it may be kept, framed, guessed at, or run. The console's pages have a policy of their own. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
})

const ONE_HOUR_S = 3600

/** What lets the pages of one other origin read an answer: none, unless that origin is configured and asks. */
export function corsHeaders(request: Request, allowed: string | undefined): Readonly<Record<string, string>> {
  if (allowed === undefined) return {}
  if (request.headers.get('origin') !== allowed) return { vary: 'Origin' }
  return {
    vary: 'Origin',
    'access-control-allow-origin': allowed,
    'access-control-expose-headers': 'Link, Retry-After',
    'cross-origin-resource-policy': 'cross-origin',
    ...(request.method === 'OPTIONS' && {
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-headers': 'Authorization',
      'access-control-max-age': String(ONE_HOUR_S),
    }),
  }
}
