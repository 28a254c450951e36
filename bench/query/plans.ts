import type { Client } from 'pg'
import { statementsOf } from './statements.js'

/** How Postgres looked for rows: by an index, or by reading whole partitions. */
interface Scan {
  /** The index of the trail that the partitions' own are parts of; `null` for none. */
  readonly index: string | null
  /** Kinds of nodes. */
  readonly nodes: readonly string[]
  /** In how many partitions that are not small. Those that the limit made needless do not count. */
  readonly partitions: number
}

/** What Postgres did for one page. */
export interface Plan {
  /** Each kind of node that was executed, once, from the top. */
  readonly nodes: readonly string[]
  /** By name. */
  readonly scans: readonly Scan[]
  /** In how many small partitions it looked, however. */
  readonly small: number
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Loops': number
  readonly Plans?: readonly PlanNode[]
}

interface PartitionIndex {
  /** Its own name. */
  readonly name: string
  /** The index of the trail that it is part of. */
  readonly index: string
  readonly partition: string
}

const PARTITION_INDEXES = `
select own.relname as name, whole.relname as index, partition.relname as partition
from pg_inherits of_trail
join pg_index on indrelid = of_trail.inhrelid
join pg_inherits part on part.inhrelid = indexrelid
join pg_class own on own.oid = indexrelid
join pg_class whole on whole.oid = part.inhparent
join pg_class partition on partition.oid = indrelid
where of_trail.inhparent = 'noetl.secret_audit'::regclass`

/** Those of months to come have no page, and one that has just begun has so few that an index does not help. */
const SMALL_PARTITIONS = `
select relname as partition
from pg_inherits join pg_class on oid = inhrelid
where inhparent = 'noetl.secret_audit'::regclass and pg_relation_size(oid) <= 256 * 1024`

/** Explains what the reading API sends, without knowing how it makes it. */
export class Explainer {
  readonly #client: Client
  readonly #indexes: ReadonlyMap<string, PartitionIndex>
  readonly #small: ReadonlySet<string>

  private constructor(client: Client, indexes: readonly PartitionIndex[], small: readonly string[]) {
    this.#client = client
    this.#indexes = new Map(indexes.map((index) => [index.name, index]))
    this.#small = new Set(small)
  }

  /** @param client of the same login as the API's: it has the same rights */
  static async over(client: Client): Promise<Explainer> {
    const indexes = await client.query<PartitionIndex>(PARTITION_INDEXES)
    const small = await client.query<{ partition: string }>(SMALL_PARTITIONS)
    return new Explainer(
      client,
      indexes.rows,
      small.rows.map(({ partition }) => partition),
    )
  }

  /** What Postgres does for the statements on the trail that `read` sends. */
  async explain(read: () => Promise<unknown>): Promise<Plan> {
    const sent = (await statementsOf(read)).filter(({ text }) => text.includes('secret_audit'))
    const nodes: PlanNode[] = []
    for (const { text, values } of sent) {
      const { rows } = await this.#client.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(
        `explain (analyze, timing off, format json) ${text}`,
        [...values],
      )
      const top = rows[0]?.['QUERY PLAN'][0]?.Plan
      if (top === undefined) throw new Error('Postgres returned no plan')
      nodes.push(...executed(top))
    }
    if (nodes.length === 0) throw new Error('a page took no statement')
    return this.#summary(nodes)
  }

  #summary(nodes: readonly PlanNode[]): Plan {
    const scans = new Map<string | null, { nodes: Set<string>; partitions: Set<string> }>()
    const small = new Set<string>()
    for (const node of nodes) {
      const { index = null, partition = node['Relation Name'] } =
        this.#indexes.get(node['Index Name'] ?? '') ?? {}
      // What a bitmap's heap scan reads is found by the index scan below it.
      if (partition === undefined || node['Node Type'] === 'Bitmap Heap Scan') continue
      if (this.#small.has(partition)) {
        small.add(partition)
        continue
      }
      const scan = scans.get(index) ?? { nodes: new Set(), partitions: new Set() }
      scan.nodes.add(node['Node Type'])
      scan.partitions.add(partition)
      scans.set(index, scan)
    }
    return {
      nodes: [...new Set(nodes.map((node) => node['Node Type']))],
      scans: [...scans]
        .map(([index, scan]) => ({ index, nodes: [...scan.nodes], partitions: scan.partitions.size }))
        .sort((a, b) => String(a.index).localeCompare(String(b.index))),
      small: small.size,
    }
  }
}

function* executed(node: PlanNode): Generator<PlanNode> {
  if (node['Actual Loops'] === 0) return
  yield node
  for (const child of node.Plans ?? []) yield* executed(child)
}
