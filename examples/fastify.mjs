// One audited route of a Fastify 5 application.
//   npm install otel-audit @opentelemetry/api @opentelemetry/sdk-node @opentelemetry/auto-instrumentations-node fastify
//   node --import otel-audit/register fastify.mjs
import Fastify from 'fastify'
import { AuditError, Operation, SecretAuditService } from 'otel-audit'

const audit = SecretAuditService.fromEnv()
const app = Fastify()

app.get('/credentials/:name', async (request) => {
  const access = {
    credential: request.params.name,
    operation: Operation.GetCredential,
    actorId: request.headers['x-user'] ?? null,
    actorType: 'user',
    sourceAddress: request.ip,
  }
  const secret = await audit.guard(access, () => fetchFromVault(request.params.name))
  return { length: secret.length }
})

// In strict mode a secret whose row could not be committed is not released.
app.setErrorHandler((error, _request, reply) => {
  void reply.code(error instanceof AuditError ? 503 : 404).send({ error: error.message })
})

await app.listen({ port: Number(process.env.PORT ?? 8080) })
console.log(`listening ${app.server.address().port}`)
process.once('SIGTERM', () => void app.close())

/** The outcome of a failed access is the `auditOutcome` of its error. */
async function fetchFromVault(name) {
  if (name === 'orders-db') return 'a password of the vault'
  throw Object.assign(new Error('no such credential'), { auditOutcome: 'credential_not_found' })
}
