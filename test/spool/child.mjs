/**
 * A process with a spool, for tests that kill it. `node child.mjs <command> <directory> [number]`; a line for each thing
 * that has happened.
 */
import { writeSync } from 'node:fs'
import { buildEvent } from '../../build/src/event/event.js'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'

const [command, directory, number = '0'] = process.argv.slice(2)
const say = (...words) => writeSync(1, `${words.join(' ')}\n`)
let auditId = BigInt(number)
const events = (count) =>
  Array.from({ length: count }, () =>
    buildEvent(
      { credential: 'db', operation: 'get_credential', outcome: 'ok', executionId: auditId },
      { auditId: auditId++, occurredAt: 1_753_000_000_000_000 },
    ),
  )

const commands = {
  /** Appends until it is killed; what was acknowledged is said: the id of the first, and how many. */
  async append(spool) {
    for (let size = 1; ; size = (size % 97) + 1) {
      const first = auditId
      const keys = await spool.append(events(size))
      say('acked', first, size)
      // Some stay in its hands, some do not.
      if (size % 2 === 0) await spool.putBack(keys)
    }
  },
  /** Appends as many as were asked for, lets them go, and stays alive without doing anything. */
  async hold(spool) {
    await spool.putBack(await spool.append(events(1000)))
    say('holds')
    setInterval(() => {}, 1000)
  },
  /** Takes whatever it can get hold of until it is told to end, and says what it took. */
  async take(spool) {
    process.stdin.once('data', () => {
      void spool.close().then(() => process.exit())
    })
    for (;;) {
      await spool.takeOver()
      const read = await spool.next(10)
      if (read.length > 0) say('took', ...read.map(({ event }) => event.auditId))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  },
  /** Appends until it is refused, frees what it had, and goes on. */
  async fill(spool) {
    const keys = []
    const filled = await fillUp(spool, keys)
    say('refused', filled.reason)
    say('message', filled.message)
    await spool.remove(keys)
    say('entries', spool.status.entries)
    await spool.putBack(await spool.append(events(64)))
    say('appended', 64)
    await spool.close()
    say('closed')
  },
  /** Ends in the middle of appends, whose transactions are long. */
  async exit(spool) {
    const many = events(2000)
    const append = async () => {
      for (;;) await spool.append(many)
    }
    void append()
    void append()
    await new Promise((resolve) => setTimeout(resolve, 200))
    say('exits')
    process.exit(3)
  },
  async open(spool) {
    await spool.append(events(1))
    say('open')
  },
}

async function fillUp(spool, keys) {
  for (const size of [64, 16, 4, 1]) {
    try {
      for (;;) keys.push(...(await spool.append(events(size))))
    } catch (error) {
      if (size === 1) return error
    }
  }
}

try {
  const spool = await openLmdbSpool({ directory, maxBytes: 1024 * 1024 * 1024 })
  await commands[command](spool)
} catch (error) {
  say('failed', error.code, error.message.replaceAll('\n', ' '))
}
