import { createAudit } from 'otel-audit'
import { type Condition, type Measured, measure } from './condition.js'
import { CpuClock } from './cpu.js'
import type { Databases } from './databases.js'
import { Network } from './network.js'
import { OriginalSide } from './original-side.js'
import { OurSide } from './our-side.js'
import type { TraceReceiver } from './span-export.js'
import { compareStrict, type Extent, type StrictResult } from './strict.js'
import { startMetrics, startTracing } from './telemetry.js'

/**
 * How both sides are traced: OTLP with the SDK's serializer; the same, but for our side with that of this library; or
 * not at all. The original has no library that would bring another serializer.
 */
export const TRACINGS = ['stock', 'own', 'untraced'] as const
export type Tracing = (typeof TRACINGS)[number]

export const TRACED: Readonly<Record<Tracing, string>> = {
  stock: 'OTLP, serialized by the SDK',
  own: 'OTLP, ours serialized by otel-audit',
  untraced: 'without tracing',
}

/** Both sides under one condition. */
export interface Standing {
  readonly tracing: Tracing
  readonly condition: Condition
  readonly measured: Measured
  readonly result: StrictResult
}

/** On a machine that does other things too, an answer may take a while: it is counted, and refuses nobody. */
const DEADLINE_MS = 60_000

export async function compareUnder(
  condition: Condition,
  tracing: Tracing,
  databases: Databases,
  receiver: TraceReceiver,
  extent: Extent,
): Promise<Standing> {
  const network = await Network.to(databases.port, condition.networkMs)
  await databases.delayFlush(condition.flushMs)
  try {
    const measured = await measure(network.url(databases.originalUrl))
    const audit = createAudit({
      databaseUrl: network.url(databases.writerUrl),
      deadlineMs: DEADLINE_MS,
      answerTimeoutMs: DEADLINE_MS,
    })
    const traced =
      tracing === 'untraced'
        ? undefined
        : startTracing(audit, { ours: receiver.exporter(tracing), plain: receiver.exporter('stock') })
    const telemetry = traced ?? startMetrics()
    const ours = await OurSide.open(audit, databases.ownerUrl)
    const original = await OriginalSide.open(network.url(databases.originalUrl), traced?.plainTracer)
    const cpu = new CpuClock(databases.postmaster)
    const result = await compareStrict({ ours, original, telemetry, cpu }, extent)
    await Promise.all([ours.close(), original.close()])
    await telemetry.close()
    return { tracing, condition, measured, result }
  } finally {
    await network.close()
  }
}
