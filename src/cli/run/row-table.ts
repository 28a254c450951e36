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

/** What people look at first. Everything is in the other formats. */
export const ROW_COLUMNS: readonly TableColumn<TrailRow>[] = [
  { title: 'TIME', value: ({ occurred_at }) => `${occurred_at.slice(0, 23).replace('T', ' ')}Z` },
  { title: 'CREDENTIAL', value: ({ credential }) => credential },
  { title: 'OPERATION', value: ({ operation }) => operation },
  {
    title: 'OUTCOME',
    value: ({ outcome }) => outcome,
    style: ({ outcome }) => (QUIET.has(outcome) ? undefined : 'bad'),
  },
  { title: 'EXECUTION', value: ({ execution_id }) => execution_id, isNumber: true },
  { title: 'WHO', value: ({ actor_id, worker_id }) => actor_id ?? worker_id },
  { title: 'REGION', value: ({ server_region }) => server_region },
  { title: 'AUDIT ID', value: ({ audit_id }) => audit_id, isNumber: true, style: () => 'quiet' },
]
