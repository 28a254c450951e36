import { Operation } from '../../event/vocabulary.js'
import { JSON } from '../../host/globals.js'
import type { TrailRow } from '../../query/row.js'
import type { TableColumn } from './table.js'

/** Nothing went wrong. */
const QUIET: ReadonlySet<string> = new Set([
  'ok',
  'started',
  'stopped',
  'mode_changed',
  'hooked',
  'wire',
  'requested',
])

/** What a row about lost events says beside its outcome: how many, and why. */
function outcomeOf({ operation, outcome, attributes }: TrailRow): string {
  if (operation !== Operation.AuditGap || attributes === null) return outcome
  const said: unknown = JSON.parse(attributes)
  // Whoever may write may have written anything.
  if (typeof said !== 'object' || said === null) return outcome
  const { count, reason } = said as { readonly count?: unknown; readonly reason?: unknown }
  return [outcome, ...[count, reason].filter((said) => said !== undefined).map(String)].join(' ')
}

/** What people look at first. Everything is in the other formats. */
export const ROW_COLUMNS: readonly TableColumn<TrailRow>[] = [
  { title: 'TIME', value: ({ occurred_at }) => `${occurred_at.slice(0, 23).replace('T', ' ')}Z` },
  { title: 'CREDENTIAL', value: ({ credential }) => credential },
  { title: 'OPERATION', value: ({ operation }) => operation },
  {
    title: 'OUTCOME',
    value: outcomeOf,
    style: ({ outcome }) => (QUIET.has(outcome) ? undefined : 'bad'),
  },
  { title: 'EXECUTION', value: ({ execution_id }) => execution_id, isNumber: true },
  { title: 'WHO', value: ({ actor_id, worker_id }) => actor_id ?? worker_id },
  { title: 'SERVICE', value: ({ service_name }) => service_name },
  { title: 'FROM', value: ({ source_address }) => source_address },
  { title: 'REGION', value: ({ server_region }) => server_region },
  { title: 'AUDIT ID', value: ({ audit_id }) => audit_id, isNumber: true, style: () => 'quiet' },
]
