import type { AuditPipeline } from '../contract/pipeline.js'

/** Events that were recorded while no pipeline was registered, by operation and outcome. */
export interface UnclaimedDrop {
  readonly operation: string
  readonly outcome: string
  count: number
}

interface Registry {
  readonly pipelines: AuditPipeline[]
  readonly unclaimed: Map<string, UnclaimedDrop>
}

// Shared by all copies of this package in the process, like the globals of the OpenTelemetry API.
const REGISTRY = Symbol.for('otel-audit.registry.v1')

function registry(): Registry {
  const holder = globalThis as { [REGISTRY]?: Registry }
  holder[REGISTRY] ??= { pipelines: [], unclaimed: new Map() }
  return holder[REGISTRY]
}

/** Makes a pipeline the one that helpers without a pipeline of their own use. The first registered one wins. */
export function registerPipeline(pipeline: AuditPipeline): void {
  const { pipelines } = registry()
  if (!pipelines.includes(pipeline)) pipelines.push(pipeline)
}

export function unregisterPipeline(pipeline: AuditPipeline): void {
  const { pipelines } = registry()
  const index = pipelines.indexOf(pipeline)
  if (index !== -1) pipelines.splice(index, 1)
}

export function registeredPipeline(): AuditPipeline | undefined {
  return registry().pipelines[0]
}

/** Notes an event that was dropped because there was no pipeline. @returns whether it was the first */
export function noteUnclaimed(operation: string, outcome: string): boolean {
  const { unclaimed } = registry()
  const key = `${operation} ${outcome}`
  const drop = unclaimed.get(key) ?? { operation, outcome, count: 0 }
  drop.count++
  unclaimed.set(key, drop)
  return unclaimed.size === 1 && drop.count === 1
}

/** Hands the drops noted so far to a pipeline that can report them. Each is handed out once. */
export function takeUnclaimed(): readonly UnclaimedDrop[] {
  const { unclaimed } = registry()
  const drops = [...unclaimed.values()]
  unclaimed.clear()
  return drops
}
