// A service whose tracing is set up by other code; prints what the self-test found.
import { trace } from '@opentelemetry/api'
import { createAudit, Operation, Outcome } from 'otel-audit'

const audit = createAudit()
const { findings } = await audit.start()
for (const { level, check, message } of findings) console.log(`${level} ${check}: ${message}`)

trace.getTracer('own').startSpan('of the application').end()
const access = { operation: Operation.GetCredential, outcome: Outcome.Ok }
await audit.service.recordStrict({ ...access, credential: 'strict' })
audit.service.recordAsync({ ...access, credential: 'async' })
await audit.close()
console.log('closed')
// Agents of vendors keep the process alive.
process.exit()
