// Strict where it matters: the policy decides for each credential and operation, and so does the deadline.
//   npm install otel-audit @opentelemetry/api
//   node strict-per-credential.mjs
import { AuditError, createAudit, Operation } from 'otel-audit'

const audit = createAudit({
  databaseUrl: process.env.DATABASE_URL,
  // Revoking stays possible when the trail is away; so do the credentials that everybody may read.
  strict: (credential, operation) => operation !== 'revoke' && credential.startsWith('payments/'),
  deadlineMs: (credential) => (credential === 'payments/hsm' ? 10_000 : 2_000),
})

for (const credential of ['payments/hsm', 'docs/search-key']) {
  try {
    const access = { credential, operation: Operation.GetCredential }
    const secret = await audit.service.guard(access, async () => 'a secret of the vault')
    console.log(`${credential}: released ${secret.length} characters`)
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    console.log(`${credential}: withheld, ${error.code}, its row is ${error.row}`)
  }
}
await audit.close({ timeoutMs: 2_000 })
