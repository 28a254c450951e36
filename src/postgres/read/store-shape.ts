import type { StoreAlteration } from '../../verify/source.js'

/** A row of `store-shape.sql`: one of the three tables, or something that inherits from it. */
export interface Relation {
  readonly root: string
  /** 0: the name itself. */
  readonly depth: number
  readonly name: string
  /** As `pg_class.relkind`. */
  readonly kind: string
  readonly partition: boolean
  /** As `pg_class.relpersistence`. */
  readonly persistence: string
  /** Row-level security is enabled. */
  readonly secured: boolean
  /** And it applies to this login. */
  readonly hidden: boolean
  readonly policies: boolean
  readonly rules: boolean
  readonly generated: boolean
  /** Those of our CHECKs that it has, as the text of an array. */
  readonly bounds: string
}

const TRAIL = 'secret_audit'
/** What bounds the writer role. */
const BOUNDS: Readonly<Record<string, readonly string[]>> = {
  [TRAIL]: ['secret_audit_not_ahead', 'secret_audit_sizes'],
  secret_audit_block: ['secret_audit_block_sizes'],
}
const TABLE = 'r'
const PARTITIONED = 'p'

const KINDS: Readonly<Record<string, string>> = {
  r: 'a table that is not partitioned',
  p: 'a partitioned table',
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
}

/** What is not as a trail has it, so that the store could answer something else than what was written to it. */
export function alterationsOf(relations: readonly Relation[]): readonly StoreAlteration[] {
  return relations.flatMap((relation) => problemsOf(relation))
}

/** Whether it has system columns, such as the transaction that wrote a row. */
export function isTable(relations: readonly Relation[]): boolean {
  const kind = relations.find(({ root, depth }) => root === TRAIL && depth === 0)?.kind
  return kind === PARTITIONED || kind === TABLE
}

function problemsOf(relation: Relation): readonly StoreAlteration[] {
  const { name, depth, secured, hidden, policies, rules, generated, persistence } = relation
  const isRoot = depth === 0
  const problems = [
    kindProblem(relation),
    // On a partition none of these counts: rows are read through the parent.
    isRoot && secured && !hidden ? 'has row-level security, which does not apply to this login' : '',
    isRoot && policies && !secured ? 'has policies' : '',
    isRoot && rules ? 'has rules' : '',
    generated ? 'has columns that are generated' : '',
    ...missingBounds(relation).map((bound) => `lacks the CHECK ${bound}: the writer role was not bounded`),
    persistence === 'p' ? '' : 'is not permanent: it does not survive a crash',
  ]
  const found = problems.filter(Boolean).map((problem) => ({ what: `${name} ${problem}`, hidesRows: false }))
  if (!isRoot || !hidden) return found
  const what = `${name} has row-level security, which hides rows from this login: nothing was read`
  return [...found, { what, hidesRows: true }]
}

function missingBounds({ root, depth, kind, bounds }: Relation): readonly string[] {
  // Of anything else it is said that it is not a table.
  if (depth > 0 || (kind !== TABLE && kind !== PARTITIONED)) return []
  const has = bounds.replaceAll(/[{}]/g, '').split(',')
  return (BOUNDS[root] ?? []).filter((bound) => !has.includes(bound))
}

function kindProblem({ root, depth, kind, partition }: Relation): string {
  const is = `is ${KINDS[kind] ?? `a relation of kind ${kind}`}`
  if (depth === 0) return kind === (root === TRAIL ? PARTITIONED : TABLE) ? '' : is
  if (!partition) return `is a table of its own that inherits from ${root}`
  return kind === TABLE || kind === PARTITIONED ? '' : `${is} in the place of a partition`
}
