// A service that knows nothing of the SDK: the preload starts it, and the environment configures it.
//   npm install otel-audit @opentelemetry/api @opentelemetry/sdk-node @opentelemetry/auto-instrumentations-node
//   node --import otel-audit/register zero-code.mjs
import { createServer } from 'node:http'
import { Operation, SecretAuditService } from 'otel-audit'

const audit = SecretAuditService.fromEnv()

const server = createServer((request, response) => void answer(request, response))

async function answer(request, response) {
  const credential = request.url.slice('/credentials/'.length)
  const access = {
    credential,
    operation: Operation.GetCredential,
    sourceAddress: request.socket.remoteAddress,
  }
  try {
    const secret = await audit.guard(access, () => fetchFromVault(credential))
    response.end(`${secret.length} characters\n`)
  } catch (error) {
    response.writeHead(error.auditOutcome === 'credential_not_found' ? 404 : 503).end()
  }
}

server.listen(Number(process.env.PORT ?? 8080), () => console.log(`listening ${server.address().port}`))
process.once('SIGTERM', () => server.close())

/** The outcome of a failed access is the `auditOutcome` of its error. */
async function fetchFromVault(name) {
  if (name === 'orders-db') return 'a password of the vault'
  throw Object.assign(new Error(`no credential ${name}`), { auditOutcome: 'credential_not_found' })
}
