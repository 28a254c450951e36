import assert from 'node:assert/strict'
import type { OtlpReceiver } from '../../test/support/otlp-receiver.js'
import { waitUntil } from '../../test/support/wait-until.js'
import type { Covered, Row } from '../database.js'
import { underServerSpan } from './server-span.js'

/** Metrics go to the receiver of the traces, as JSON, and soon: who ends by `process.exit` exports none at its end. */
export const EXPORTING_METRICS: Readonly<Record<string, string>> = {
  OTEL_METRICS_EXPORTER: 'otlp',
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
  OTEL_METRIC_EXPORT_INTERVAL: '500',
  OTEL_METRIC_EXPORT_TIMEOUT: '500',
}

/** What the metrics count of accesses: how many were stored, and how many each layer has seen. */
export interface Counted {
  readonly written: number
  readonly client: number
  readonly wire: number
  readonly observed: number
}

export function counted({ points }: OtlpReceiver): Counted {
  const sum = (metric: string, isWanted: (of: Readonly<Record<string, string>>) => boolean): number =>
    points
      .filter((point) => point.metric === `noetl.secret_audit.${metric}` && isWanted(point.attributes))
      .reduce((total, { value }) => total + value, 0)
  const seenBy = (layer: string): number => sum('accesses', (of) => of['layer'] === layer)
  return {
    // Rows of the pipeline about itself are counted as the operation `audit`.
    written: sum('writes', ({ status, operation }) => status === 'written' && operation !== 'audit'),
    client: seenBy('client'),
    wire: seenBy('wire'),
    observed: seenBy('observed'),
  }
}

/** What the metrics have to count, by the rows that are there. */
export function countedIn(rows: readonly Row[]): Counted {
  const seenBy = (layer: string): number => rows.filter(({ seen }) => seen === layer).length
  return {
    written: rows.length,
    client: seenBy('client'),
    wire: seenBy('wire'),
    observed: seenBy('observed'),
  }
}

/** Waits for the audit span of each row, below the span of the request that needed it. @throws Error that names those without */
export async function spansOf(receiver: OtlpReceiver, rows: readonly Row[]): Promise<string> {
  const without = (): readonly Row[] => rows.filter(({ span_id }) => !underServerSpan(receiver, span_id))
  try {
    await waitUntil('the spans', () => without().length === 0)
  } catch (error) {
    const missing = without().map(({ credential, outcome, seen }) => `${credential} ${outcome} ${seen}`)
    throw new Error(`not below the span of a request: ${missing.join('; ')}`, { cause: error })
  }
  return `${rows.length} audit spans, each below the span of its request`
}

/**
 * The rows about coverage, held against those about accesses: what was seen at the wire is stated of its provider, and of no
 * other; a client is hooked where one was seen by its hook, and none where there are no hooks; and nothing is left without cover.
 */
export function assertCovered(covered: readonly Covered[], rows: readonly Row[], hasHooks: boolean): string {
  const inState = (...states: readonly string[]): readonly string[] => [
    ...new Set(covered.filter(({ state }) => states.includes(state)).map(({ client }) => client)),
  ]
  const providers = new Set(
    rows.filter(({ seen }) => seen === 'wire').map(({ provider }) => `wire:${provider}`),
  )
  assert.deepEqual(inState('not_hooked', 'observed'), [])
  assert.deepEqual([...inState('wire')].sort(), [...providers].sort())
  const hooked = inState('hooked')
  if (!hasHooks) assert.deepEqual(hooked, [])
  assert.ok(hooked.length > 0 || rows.every(({ seen }) => seen !== 'client'), 'no client is hooked')
  return inState('hooked', 'wire').join(', ')
}
