/**
 * A service in which somebody puts one name after the other on `Object.prototype`, and takes it away again. For each it starts
 * a pipeline, records, and closes it. `node shared.mjs <before|after the start> <names>`: prints `<name> receipt`, or why not.
 */
/* oxlint-disable eslint/no-extend-native -- that is what is tried here */
import { writeSync } from 'node:fs'
import { createAudit, Operation } from 'otel-audit'

const [when, names = ''] = process.argv.slice(2)
const fields = { credential: 'orders-db', operation: Operation.GetCredential, outcome: 'ok' }
for (const name of names.split(',')) {
  let said
  const share = () => {
    Object.prototype[name] = 'changed'
  }
  if (when === 'before') share()
  const audit = createAudit({
    databaseUrl: process.env.U,
    serviceName: 'shared',
    strict: true,
    deadlineMs: 20_000,
  })
  try {
    await audit.start()
    if (when === 'after') share()
    const { auditId, committedAt, digest, place } = await audit.service.recordStrict(fields)
    const isWhole = typeof auditId === 'bigint' && committedAt > 0 && digest.length === 32 && place.block > 0
    said = isWhole ? 'receipt' : 'half a receipt'
    await audit.close()
  } catch (error) {
    said = String(error.message)
  }
  delete Object.prototype[name]
  writeSync(1, `${name} ${said}\n`)
}
