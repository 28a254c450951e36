import { createAudit, NoopAuditSink } from 'otel-audit'
import { type Databases, openDatabases } from './databases.js'
import type { BenchOptions, Part } from './options.js'
import { OriginalSide } from './original-side.js'
import { OurSide } from './our-side.js'
import { type AsyncResult, compareAsync } from './record-async.js'
import type { Findings } from './findings.js'
import { noopExporter, TraceReceiver } from './span-export.js'
import { compareSpool } from './spool.js'
import { compareStrict, type Extent, type StrictResult } from './strict.js'
import { startMetrics, startTracing } from './telemetry.js'
import { measureVerify } from './verification.js'

/** Runs all comparisons. Everything it starts has ended when it returns or throws. */
export async function runBench(
  { parts, rounds, seconds, rows, commitDelayUs }: BenchOptions,
  progress: (what: string) => void,
): Promise<Findings> {
  const extent = (what: string): Extent => ({ rounds, seconds, progress: (at) => progress(`${what}: ${at}`) })
  const databases = await openDatabases(commitDelayUs)
  const receiver = await TraceReceiver.start()
  try {
    const measured = <T>(part: Part, work: () => Promise<T>): Promise<T | undefined> =>
      parts.includes(part) ? work() : Promise.resolve(undefined)
    const strict = await measured('traced', () => strictTraced(databases, receiver, extent('with tracing')))
    const untraced = await measured('untraced', () => strictUntraced(databases, extent('without tracing')))
    const async = await measured('async', () => asyncCalls(rounds * seconds, progress))
    const spool = await measured('spool', () =>
      compareSpool({ rounds, seconds }, (at) => progress(`spool: ${at}`)),
    )
    const verification = await measured('verify', () =>
      measureVerify(rows, (at) => progress(`verify: ${at}`)),
    )
    const { exported, failed } = receiver
    const spans = { exported, failed }
    return { server: databases.server, rounds, seconds, strict, untraced, async, spool, verification, spans }
  } finally {
    await receiver.close()
    await databases.close()
  }
}

async function strictTraced(
  databases: Databases,
  receiver: TraceReceiver,
  extent: Extent,
): Promise<StrictResult> {
  const audit = createAudit({ databaseUrl: databases.writerUrl })
  const telemetry = startTracing(audit, () => receiver.exporter())
  const ours = await OurSide.open(audit, databases.ownerUrl)
  const original = await OriginalSide.open(databases.originalUrl, telemetry.plainTracer)
  const result = await compareStrict(ours, original, telemetry, extent)
  await Promise.all([ours.close(), original.close()])
  await telemetry.close()
  return result
}

async function strictUntraced(databases: Databases, extent: Extent): Promise<StrictResult> {
  const telemetry = startMetrics()
  const audit = createAudit({ databaseUrl: databases.writerUrl })
  const ours = await OurSide.open(audit, databases.ownerUrl)
  const original = await OriginalSide.open(databases.originalUrl, undefined)
  const result = await compareStrict(ours, original, telemetry, extent)
  await Promise.all([ours.close(), original.close()])
  await telemetry.close()
  return result
}

async function asyncCalls(seconds: number, progress: (what: string) => void): Promise<AsyncResult> {
  progress('recordAsync')
  const audit = createAudit({ sink: new NoopAuditSink() })
  const telemetry = startTracing(audit, noopExporter)
  await audit.start()
  const result = await compareAsync(audit, telemetry.plainTracer, telemetry, { seconds })
  await audit.close()
  await telemetry.close()
  return result
}
