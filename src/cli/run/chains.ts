import type { Command } from 'commander'
import { JSON } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import type { ChainHealth } from '../../query/chains.js'
import { type Flags, formatOf } from '../read-flags.js'
import { whileWaiting } from './progress.js'
import { withTrail } from './read-session.js'
import { hasColours, table, type TableColumn } from './table.js'
import { trustFrom } from './verify-input.js'

const FORMATS = ['table', 'ndjson', 'json'] as const
const EXIT_FOUND = 3

export async function run(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const limit = flags['limit'] as string
  const trust = await trustFrom(flags['trust'] as string | undefined)
  await withTrail(flags, async ({ trail, record }) => {
    const { chains, truncated } = await whileWaiting('reading', () => trail.chains({ limit }, { trust }))
    await record({ what: 'chains', filter: '{}', rows: chains.length })
    const groups = byService(chains)
    process.stdout.write(flags['each'] === true ? each(chains, format) : grouped(groups, format))
    if (truncated) process.stderr.write('There are more chains: use a larger --limit\n')
    if (flags['exitCode'] === true && chains.some(isToLookAt)) process.exitCode = EXIT_FOUND
  })
}

/** Events that a chain names as lost are gone; one that is not enrolled may be anybody's. */
function isToLookAt({ state, lost, enrolled }: ChainHealth): boolean {
  return state === 'unclean' || lost > 0 || enrolled === false
}

interface ServiceChains {
  readonly service_name: string | null
  readonly chains: number
  readonly live: number
  readonly idle: number
  readonly closed: number
  readonly unclean: number
  readonly not_enrolled: number | null
  readonly rows: number
  readonly lost: number
  readonly last_block_time: string | null
}

/** Those with something to look at first, then by name. */
function byService(chains: readonly ChainHealth[]): readonly ServiceChains[] {
  const services = new Map<string | null, ChainHealth[]>()
  for (const chain of chains) {
    const known = services.get(chain.service_name)
    if (known === undefined) services.set(chain.service_name, [chain])
    else known.push(chain)
  }
  const attention = ({ unclean, lost, not_enrolled }: ServiceChains): number =>
    unclean + lost + (not_enrolled ?? 0) > 0 ? 0 : 1
  return [...services]
    .map(([service_name, own]) => sumOf(service_name, own))
    .sort((a, b) => attention(a) - attention(b) || ((a.service_name ?? '') < (b.service_name ?? '') ? -1 : 1))
}

function sumOf(service_name: string | null, chains: readonly ChainHealth[]): ServiceChains {
  const count = (state: ChainHealth['state']): number => chains.filter((one) => one.state === state).length
  const isKnown = chains.some(({ enrolled }) => enrolled !== null)
  return {
    service_name,
    chains: chains.length,
    live: count('live'),
    idle: count('idle'),
    closed: count('closed'),
    unclean: count('unclean'),
    not_enrolled: isKnown ? chains.filter(({ enrolled }) => enrolled === false).length : null,
    rows: chains.reduce((sum, { rows }) => sum + rows, 0),
    lost: chains.reduce((sum, { lost }) => sum + lost, 0),
    last_block_time:
      chains.map(({ last_block_time }) => last_block_time ?? '').reduce((a, b) => (a > b ? a : b)) || null,
  }
}

const bad = (count: number | null): 'bad' | undefined => ((count ?? 0) > 0 ? 'bad' : undefined)

const OF_SERVICE: readonly TableColumn<ServiceChains>[] = [
  { title: 'SERVICE', value: ({ service_name }) => service_name ?? '(unknown)' },
  { title: 'CHAINS', value: ({ chains }) => chains, isNumber: true },
  { title: 'LIVE', value: ({ live }) => live, isNumber: true },
  { title: 'IDLE', value: ({ idle }) => idle, isNumber: true },
  { title: 'CLOSED', value: ({ closed }) => closed, isNumber: true },
  { title: 'UNCLEAN', value: ({ unclean }) => unclean, isNumber: true, style: ({ unclean }) => bad(unclean) },
  {
    title: 'NOT ENROLLED',
    value: ({ not_enrolled }) => not_enrolled ?? 'not checked',
    isNumber: true,
    style: ({ not_enrolled }) => bad(not_enrolled),
  },
  { title: 'ROWS', value: ({ rows }) => rows, isNumber: true },
  { title: 'LOST', value: ({ lost }) => lost, isNumber: true, style: ({ lost }) => bad(lost) },
  { title: 'LAST BLOCK', value: ({ last_block_time }) => last_block_time?.slice(0, 19) ?? '(unknown)' },
]

const OF_CHAIN: readonly TableColumn<ChainHealth>[] = [
  { title: 'CHAIN', value: ({ chain_id }) => chain_id },
  { title: 'SERVICE', value: ({ service_name }) => service_name ?? '(unknown)' },
  { title: 'INSTANCE', value: ({ service_instance_id }) => service_instance_id },
  {
    title: 'STATE',
    value: ({ state }) => state,
    style: ({ state }) => (state === 'unclean' ? 'bad' : undefined),
  },
  {
    title: 'ENROLLED',
    value: ({ enrolled }) => (enrolled === null ? 'not checked' : enrolled ? 'yes' : 'no'),
    style: ({ enrolled }) => (enrolled === false ? 'bad' : undefined),
  },
  { title: 'BLOCKS', value: ({ blocks }) => blocks, isNumber: true },
  { title: 'ROWS', value: ({ rows }) => rows, isNumber: true },
  { title: 'LOST', value: ({ lost }) => lost, isNumber: true, style: ({ lost }) => bad(lost) },
  { title: 'LAST BLOCK', value: ({ last_block_time }) => last_block_time?.slice(0, 19) ?? '(unknown)' },
]

type Format = (typeof FORMATS)[number]

const grouped = (groups: readonly ServiceChains[], format: Format): string =>
  shown(OF_SERVICE, groups, format)
const each = (chains: readonly ChainHealth[], format: Format): string => shown(OF_CHAIN, chains, format)

function shown<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[], format: Format): string {
  switch (format) {
    case 'ndjson':
      return visibleJson(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    case 'json':
      return visibleJson(`${JSON.stringify(rows, undefined, 2)}\n`)
    case 'table':
      return rows.length === 0 ? 'There is no chain.\n' : table(columns, rows, hasColours(process.stdout))
  }
}
