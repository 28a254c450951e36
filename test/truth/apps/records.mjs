/**
 * A service that calls createAudit and never start. `node records.mjs <JSON: options> <steps>`; steps are separated by commas:
 * async, strict, mode (one record that is strict by its own option), guard, start, flush, close, idle, hold.
 */
import { writeSync } from 'node:fs'
import { createAudit, Operation } from 'otel-audit'

const [options = '{}', steps = ''] = process.argv.slice(2)
const say = (text) => writeSync(1, `${text}\n`)
const audit = createAudit({ databaseUrl: process.env.U, ...JSON.parse(options) })
const fields = { credential: 'orders-db', operation: Operation.GetCredential, outcome: 'ok' }
const { outcome: _, ...access } = fields
const does = {
  async: () => say(`recorded ${audit.service.recordAsync(fields)}`),
  strict: async () => say(`receipt ${(await audit.service.recordStrict(fields)).auditId}`),
  mode: async () => say(`receipt ${(await audit.service.record(fields, { mode: 'strict' })).auditId}`),
  guard: async () => say(`released ${await audit.service.guard(access, () => 'the-secret-0123')}`),
  start: () => audit.start(),
  flush: () => audit.flush(),
  close: () => audit.close(),
  pause: () => new Promise((resolve) => setTimeout(resolve, 300)),
  wait: () =>
    new Promise((resolve) => {
      // A listener of signals does not keep a process alive.
      const alive = setInterval(() => {}, 1000)
      process.once('SIGUSR1', () => resolve(clearInterval(alive)))
      say('waits here')
    }),
  exit: () => process.exit(),
}
for (const step of steps.split(',')) {
  try {
    await does[step]()
  } catch (error) {
    say(`refused ${error.code} ${error.row}`)
  }
}
