// Reads a mounted secret in the ways of the modules that are there. GRACEFUL: when graceful-fs is loaded.
import { createReadStream, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { createAudit, RecordingAuditSink } from 'otel-audit'

const order = process.env.GRACEFUL
const path = process.env.SECRET
const graceful = () => createRequire(import.meta.url)('graceful-fs')

if (order === 'before') graceful()
if (order === 'in-place-before') graceful().gracefulify(createRequire(import.meta.url)('fs'))
const sink = new RecordingAuditSink()
const audit = createAudit({ sink, strict: true, instrument: 'on' })
await audit.start()
if (order === 'in-place-after') graceful().gracefulify(createRequire(import.meta.url)('fs'))

const read = {
  'by name': () => readFile(path, 'utf8'),
  'by name, at once': async () => readFileSync(path, 'utf8'),
  'by stream': () => text(createReadStream(path)),
  required: () => promisify(createRequire(import.meta.url)('fs').readFile)(path, 'utf8'),
  'thrown by a callback': () =>
    new Promise((resolve) => {
      process.once('uncaughtException', ({ message }, origin) => {
        resolve(origin === 'uncaughtException' ? message : origin)
      })
      createRequire(import.meta.url)('fs').readFile(path, 'utf8', (_, value) => {
        throw new Error(value)
      })
    }),
  ...((order === 'after' || order === 'before') && {
    graceful: () => promisify(graceful().readFile)(path, 'utf8'),
    'graceful stream': () => text(graceful().createReadStream(path)),
  }),
  ...(order === 'after' && {
    'graceful, at once': async () => graceful().readFileSync(path).toString(),
  }),
}
const report = {}
for (const [how, work] of Object.entries(read)) {
  const before = sink.events.length
  const value = await work()
  await audit.flush()
  const rows = sink.events.slice(before).filter(({ operation }) => operation === 'get_credential')
  report[how] =
    `${value.length}: ${rows.map(({ credential, outcome }) => `${credential} ${outcome}`).join(', ')}`
}
const coverage = audit.coverage().map(({ name, state }) => `${name} ${state}`)
await audit.close()
console.log(JSON.stringify({ report, coverage }))
