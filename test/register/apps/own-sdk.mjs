// A service that builds its own NodeSDK, and ends in the order that it is told: `ORDER=sdk,audit` and the like.
import { NodeSDK } from '@opentelemetry/sdk-node'
import { createAudit } from 'otel-audit'

const audit = createAudit()
const sdk = new NodeSDK(audit.withSdk({}))
sdk.start()
await audit.start()

const access = { operation: 'get_credential', outcome: 'ok' }
await audit.service.recordStrict({ ...access, credential: 'acknowledged' })
audit.service.recordAsync({ ...access, credential: 'waiting' })

const ends = {
  sdk: () => sdk.shutdown(),
  audit: () => audit.close(),
  record: async () => audit.service.recordAsync({ ...access, credential: 'between' }),
  both: () => Promise.all([sdk.shutdown(), audit.close()]),
  throw: () => {
    setImmediate(() => {
      throw new Error('a fault of the application')
    })
    return new Promise(() => {})
  },
}
for (const end of process.env.ORDER.split(',')) await ends[end]()
const refused = await audit.service.recordStrict({ ...access, credential: 'late' }).catch(({ code }) => code)
console.log(`refused ${refused}`)
console.log(`pending ${audit.stats().pending}`)
