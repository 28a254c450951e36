// The trail in the database that the service has a pool for. The pool itself is not used: a row must not wait for the
// service's own queries, nor be rolled back with them; and the trail is written by a login that may do nothing else.
//   npm install otel-audit @opentelemetry/api pg
//   node existing-pool.mjs
import { createAudit, Operation, Outcome } from 'otel-audit'
import { Pool } from 'pg'

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 2 })

const audit = createAudit({ databaseUrl: auditUrl(pool.options, 'audit_writer', process.env.AUDIT_PASSWORD) })
await audit.start()

await pool.query('select 1')
await audit.service.recordStrict({
  credential: 'orders-db',
  operation: Operation.GetCredential,
  outcome: Outcome.Ok,
})
console.log('committed')

await audit.close()
await pool.end()

/** Host, port and database of the pool, with a login of the trail's own. */
function auditUrl(options, user, password = '') {
  const given = new URL(options.connectionString ?? 'postgres://localhost')
  given.hostname = options.host ?? given.hostname
  given.port = String(options.port ?? given.port)
  given.pathname = options.database ?? given.pathname
  // Parameters as sslmode and sslrootcert stay as they are.
  given.username = encodeURIComponent(user)
  given.password = encodeURIComponent(password)
  return given.href
}
