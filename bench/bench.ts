import { createAudit, NoopAuditSink } from 'otel-audit'
import { conditionText } from './condition.js'
import { openDatabases } from './databases.js'
import { measureDrain } from './drain.js'
import type { Findings } from './findings.js'
import type { BenchOptions, Part } from './options.js'
import { type AsyncResult, compareAsync } from './record-async.js'
import { noopExporter, TraceReceiver } from './span-export.js'
import { compareSpool } from './spool.js'
import { plan } from './plan.js'
import { compareUnder, type Standing, TRACED, type Tracing } from './stand.js'
import { startTracing } from './telemetry.js'
import { measureVerify } from './verification.js'

/** Runs all comparisons. Everything it starts has ended when it returns or throws. */
export async function runBench(options: BenchOptions, progress: (what: string) => void): Promise<Findings> {
  const { parts, rounds, seconds, condition } = options
  const databases = await openDatabases()
  const receiver = await TraceReceiver.start()
  try {
    const about = (what: string) => (at: string) => progress(`${what}: ${at}`)
    const measured = <T>(part: Part, work: () => Promise<T>): Promise<T | undefined> =>
      parts.includes(part) ? work() : Promise.resolve(undefined)
    const strict: Standing[] = []
    const warm = new Set<Tracing>()
    for (const { tracing, condition } of plan(options)) {
      // Code is warm when its tracing was measured before, and conditions change nothing about that.
      const warmUpRows = warm.has(tracing) ? 0 : options.warmUpRows
      const what = `${TRACED[tracing]}, ${conditionText(condition)}`
      const extent = { rounds, seconds, warmUpRows, progress: about(what) }
      strict.push(await compareUnder(condition, tracing, databases, receiver, extent))
      warm.add(tracing)
    }
    const async = await measured('async', () => asyncCalls(rounds * seconds, progress))
    const spool = await measured('spool', () => compareSpool({ rounds, seconds }, about('spool')))
    const verification = await measured('verify', () => measureVerify(options.rows, about('verify')))
    const drain = await measured('drain', () =>
      measureDrain({ rows: options.drainRows, table: options.tableRows }, about('drain')),
    )
    const { exported, failed } = receiver
    const spans = { exported, failed }
    const { server } = databases
    return { server, rounds, seconds, condition, strict, async, spool, verification, drain, spans }
  } finally {
    await receiver.close()
    await databases.close()
  }
}

async function asyncCalls(seconds: number, progress: (what: string) => void): Promise<AsyncResult> {
  progress('recordAsync')
  const audit = createAudit({ sink: new NoopAuditSink() })
  const telemetry = startTracing(audit, { ours: noopExporter(), plain: noopExporter() })
  await audit.start()
  const result = await compareAsync(audit, telemetry.plainTracer, telemetry, { seconds })
  await audit.close()
  await telemetry.close()
  return result
}
