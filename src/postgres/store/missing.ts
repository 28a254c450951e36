import { calls } from './expression.js'
import { type FoundTable, type Inspection, isTable } from './inspection.js'

/** Names of the functions that the migrations make, each as often as there are functions of that name. */
const FUNCTIONS = [
  'append_only',
  'append_only_block',
  'begin_trail',
  'create_partition',
  'create_partition',
  'elsewhere',
  'ensure_partition_for',
  'ensure_partitions',
  'ensure_partitions',
  'field',
  'first_id',
  'gaps',
  'guard_partition',
  'id_month',
  'id_time',
  'is_retired',
  'missing_ahead',
  'missing_months',
  'missing_partitions',
  'month_start_id',
  'partition_width',
  'partitions',
  'pending',
  'proven',
  'quarantine_partition',
  'same_event',
  'set_aside',
  'set_partition_width',
  'uncovered',
  'written',
].map((name) => `secret_audit_${name}`)

/** The bounds of what the writer role may insert, and what each of them is about. */
const BOUNDS: Readonly<Record<FoundTable['part'], Readonly<Record<string, string>>>> = {
  rows: { secret_audit_not_ahead: 'clock_timestamp', secret_audit_sizes: 'octet_length' },
  blocks: { secret_audit_block_sizes: 'octet_length' },
  identity: {},
  partition: {},
  quarantine: {},
  'quarantine end': { secret_audit_quarantine_end_decision_check: 'texteq' },
  'quarantine partition': {},
}

const GUARDS: Readonly<Record<FoundTable['part'], readonly string[]>> = {
  rows: ['secret_audit_append_only', 'secret_audit_append_only_row'],
  blocks: ['secret_audit_append_only', 'secret_audit_append_only_row'],
  // The owner's to change: migrate does.
  identity: [],
  // A partition that somebody attaches by hand has the row trigger of the trail.
  partition: [],
  quarantine: ['secret_audit_append_only', 'secret_audit_append_only_row'],
  'quarantine end': ['secret_audit_append_only'],
  'quarantine partition': [],
}

const NOT_NULL: Readonly<Record<FoundTable['part'], readonly string[]>> = {
  rows: ['audit_id', 'occurred_at', 'credential', 'operation', 'outcome', 'recorded_at', 'recorded_xid'],
  blocks: [
    'chain_id',
    'block_no',
    'log',
    'kind',
    'prev_hash',
    'root',
    'row_count',
    'row_total',
    'lost_total',
    'block_time',
    'body',
    'signatures',
    'recorded_at',
  ],
  identity: ['only_row', 'trail', 'table_oids', 'begun_at'],
  partition: [],
  quarantine: [
    'quarantine_id',
    'fingerprint',
    'received_at',
    'sender',
    'reason',
    'format',
    'ordinal',
    'raw',
    'raw_sha256',
    'chain_id',
    'block_no',
    'block_index',
    'recorded_at',
  ],
  'quarantine end': ['quarantine_id', 'fingerprint', 'decision', 'decided_by', 'decided_at'],
  'quarantine partition': [],
}

/**
 * What the migrations made, and is gone. A receipt stays true without it (what the INSERT needs, it refuses by itself): a
 * login of the writer role, or an owner in haste, can do more than it should.
 */
export function missingParts({ relations, functions }: Inspection): readonly string[] {
  return [
    ...relations.filter(isTable).flatMap((table) => missingOf(table)),
    ...[...new Set(FUNCTIONS)]
      .filter((name) => countOf(functions, name) < countOf(FUNCTIONS, name))
      .map(
        (name) =>
          `the function ${name} is missing in one of its forms, belongs to somebody else, or has lost its search_path`,
      ),
  ]
}

function countOf(names: readonly string[], name: string): number {
  return names.filter((one) => one === name).length
}

function missingOf({ part, name, constraints, triggers, columns }: FoundTable): string[] {
  const bounds = Object.entries(BOUNDS[part]).filter(
    ([bound, about]) =>
      !constraints.some((one) => one.name === bound && one.type === 'c' && calls(one, about)),
  )
  const guards = GUARDS[part].filter((guard) => !triggers.some((one) => one.name === guard && one.always))
  const hasGuard = triggers.some((one) => one.name.startsWith('secret_audit_append_only') && one.enabled)
  const nullable = (columns ?? []).filter((one) => NOT_NULL[part].includes(one.name) && !one.notNull)
  return [
    ...bounds.map(([bound]) => `${name} lacks the CHECK ${bound}: the writer role is not bounded`),
    ...guards.map((guard) => `${name} lacks the trigger ${guard}, or it does not always fire`),
    ...(part.endsWith('partition') && !hasGuard ? [`${name} lacks a trigger that refuses changes`] : []),
    ...nullable.map((column) => `${name}: column ${column.name} may be NULL`),
  ]
}
