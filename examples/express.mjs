// One audited route of an Express 5 application.
//   npm install otel-audit @opentelemetry/api @opentelemetry/sdk-node @opentelemetry/auto-instrumentations-node express
//   node --import otel-audit/register express.mjs
import express from 'express'
import { AuditError, Operation, SecretAuditService } from 'otel-audit'

const audit = SecretAuditService.fromEnv()
const app = express()

app.get('/credentials/:name', async (request, response) => {
  const access = {
    credential: request.params.name,
    operation: Operation.GetCredential,
    actorId: request.get('x-user') ?? null,
    actorType: 'user',
    sourceAddress: request.ip,
  }
  const secret = await audit.guard(access, () => fetchFromVault(request.params.name))
  response.json({ length: secret.length })
})

// In strict mode a secret whose row could not be committed is not released.
app.use((error, _request, response, _next) => {
  response.status(error instanceof AuditError ? 503 : 404).json({ error: error.message })
})

const server = app.listen(Number(process.env.PORT ?? 8080), () =>
  console.log(`listening ${server.address().port}`),
)
process.once('SIGTERM', () => server.close())

/** The outcome of a failed access is the `auditOutcome` of its error. */
async function fetchFromVault(name) {
  if (name === 'orders-db') return 'a password of the vault'
  throw Object.assign(new Error('no such credential'), { auditOutcome: 'credential_not_found' })
}
