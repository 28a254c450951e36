import { getRequestListener } from '@hono/node-server'
import type { SecretAuditService } from 'otel-audit'
import { Trail } from 'otel-audit/query'
import { bearerToken, createTrailApp } from 'otel-audit/server'
import type { Mounted } from './http.js'

const PATH = '/api/internal/secret-audit'

/**
 * The audit trail itself, at the path that it has in the original, for holders of `NOETL_INTERNAL_API_TOKEN`.
 *
 * A read of the trail is not an access to a credential: it leaves a row `query_trail` about itself, and none of the
 * four operations. It reads with a login of its own, `NOETL_SECRET_AUDIT_READER_URL`, since the login that writes cannot
 * read; without one there is no such path.
 */
export function trailRoutes(audit: SecretAuditService, env: NodeJS.ProcessEnv): Mounted | undefined {
  const databaseUrl = env.NOETL_SECRET_AUDIT_READER_URL
  if (!databaseUrl) return undefined
  const token = env.NOETL_INTERNAL_API_TOKEN
  const app = createTrailApp({
    trail: new Trail({ databaseUrl, cursorKey: token, applicationName: 'wallet trail' }),
    audit,
    authenticator: token ? bearerToken(token) : undefined,
  })
  const listener = getRequestListener(app.fetch)
  return { path: PATH, listener: (request, response) => void listener(request, response) }
}
