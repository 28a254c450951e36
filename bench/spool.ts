import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { open } from 'lmdb'
import { createAudit, RecordingAuditSink } from 'otel-audit'
import { access } from './access.js'
import { AwaySink } from './away-sink.js'
import { median } from './statistics.js'

/** Records of one turn of the event loop. */
const RECORDS_A_TURN = 64
/** Half of the queue's default bound: nothing is ever dropped. */
const MOST_PENDING = 8192
/** Puts that share a flush, on the other side. */
const PUTS_A_FLUSH = 64

export interface SpoolResult {
  /** Events a second that `recordAsync` with the `always` spool makes durable. */
  readonly ours: number
  /** The same bytes a second, put into `lmdb` and flushed every 64. */
  readonly raw: number
  /** Median of the rounds' ratios. */
  readonly ratio: number
}

/** `recordAsync` with the `always` spool beside raw `lmdb` puts of the same bytes, in turns, on the same disk. */
export async function compareSpool(
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
  progress: (what: string) => void,
): Promise<SpoolResult> {
  const record = await aRecord()
  const found: { ours: number; raw: number }[] = []
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`)
    const oursFirst = round % 2 === 1
    const first = await inDirectory((directory) =>
      oursFirst ? spoolRate(directory, seconds) : rawRate(directory, seconds, record),
    )
    const second = await inDirectory((directory) =>
      oursFirst ? rawRate(directory, seconds, record) : spoolRate(directory, seconds),
    )
    found.push(oursFirst ? { ours: first, raw: second } : { ours: second, raw: first })
  }
  return {
    ours: median(found.map(({ ours }) => ours)),
    raw: median(found.map(({ raw }) => raw)),
    ratio: median(found.map(({ ours, raw }) => ours / raw)),
  }
}

async function inDirectory(work: (directory: string) => Promise<number>): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-spool-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** @returns events a second, from the first call to the fsync of the last */
async function spoolRate(spoolDirectory: string, seconds: number): Promise<number> {
  const audit = createAudit({
    sink: new AwaySink(),
    spoolDirectory,
    spoolMode: 'always',
    spoolBytes: 2 ** 36,
  })
  await audit.start()
  const before = audit.stats().emitted
  const began = performance.now()
  let n = 0
  while (performance.now() - began < seconds * 1000) {
    if (audit.stats().pending < MOST_PENDING) {
      for (const end = n + RECORDS_A_TURN; n < end; n++) audit.service.recordAsync(access(n).fields)
    }
    await turn()
  }
  // One stays in memory too, to find out when the database is back.
  while (audit.stats().spoolOut < before + n - 1) await turn()
  const took = (performance.now() - began) / 1000
  if (audit.stats().droppedAsync > 0) throw new Error('events were dropped: the numbers mean nothing')
  await audit.close({ timeoutMs: 0 })
  return n / took
}

/** @returns puts a second, each group on disk before the next begins */
async function rawRate(directory: string, seconds: number, record: Uint8Array): Promise<number> {
  const database = open<Uint8Array, number>({
    path: join(directory, 'data.mdb'),
    encoding: 'binary',
    overlappingSync: false,
  })
  const began = performance.now()
  let n = 0
  while (performance.now() - began < seconds * 1000) {
    database.transactionSync(() => {
      for (const end = n + PUTS_A_FLUSH; n < end; n++) database.putSync(n, record)
    })
  }
  const took = (performance.now() - began) / 1000
  await database.close()
  return n / took
}

/** An event as the spool writes it: JSON, 64-bit integers as text. */
async function aRecord(): Promise<Uint8Array> {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink })
  audit.service.recordAsync(access(0).fields)
  await audit.close()
  const [event] = sink.events
  const asText = (_key: string, value: unknown): unknown =>
    typeof value === 'bigint' ? String(value) : value
  return Buffer.from(JSON.stringify(event, asText))
}
