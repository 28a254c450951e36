/**
 * A service that records all the time, until a line comes on its standard input. What its callers are told goes to standard
 * output, a line each. `node stopped.mjs <database>`.
 */
import { once } from 'node:events'
import { createAudit } from '../../../dist/index.js'

const [databaseUrl] = process.argv.slice(2)
const audit = createAudit({
  databaseUrl,
  answerTimeoutMs: 1000,
  deadlineMs: 2000,
  lingerMs: 0,
  closeTimeoutMs: 60_000,
})
await audit.start()
const fields = (credential) => ({ credential, operation: 'get_credential', outcome: 'ok' })
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

const over = new AbortController()
void once(process.stdin, 'data').then(() => over.abort())
let number = 0
async function caller(name) {
  while (!over.signal.aborted) {
    const id = `${name}-${number++}`
    audit.service.recordAsync(fields(`async-${id}`))
    say({ kind: 'async', credential: `async-${id}` })
    try {
      await audit.service.recordStrict(fields(`strict-${id}`))
      say({ kind: 'strict', credential: `strict-${id}`, row: 'stored' })
    } catch (error) {
      say({ kind: 'strict', credential: `strict-${id}`, row: error.row, code: error.code })
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
await Promise.all(Array.from({ length: 10 }, (_, n) => caller(String(n))))
await audit.close()
say({ kind: 'end', ...audit.stats() })
process.exit(0)
