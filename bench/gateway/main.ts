import { Client } from 'pg'
import { Leash } from '../../soak/gateway/daemon.js'
import { CpuClock } from '../cpu.js'
import { type Databases, openDatabases } from '../databases.js'
import { median } from '../statistics.js'
import { table } from '../table.js'
import { load, type Shape } from './load.js'
import { gatewayBenchOptions, type GatewayBenchOptions, HELP } from './options.js'
import { ACCESS_TABLE, type Side, Sides } from './sides.js'

/** Events of a request alone, and among twenty times as many spans; and spans that are nobody's business. */
const SHAPES: readonly Shape[] = [
  ...[1, 8, 512].map((events) => ({ events, spans: events })),
  ...[1, 8, 512].map((events) => ({ events, spans: events * 20 })),
  { events: 0, spans: 512 },
]
const WARM_UP_SECONDS = 1

interface Measured {
  readonly side: string
  readonly shape: Shape
  /** A second: events, or spans where there are none. */
  readonly rate: number
  /** µs for each of them. */
  readonly cpu: number
  readonly postgres: number | undefined
  readonly refused: number
}

async function bench(options: GatewayBenchOptions, say: (what: string) => void): Promise<Measured[]> {
  const { rounds, seconds, collector } = options
  const databases = await openDatabases()
  const leash = new Leash()
  try {
    await query(databases.originalUrl, ACCESS_TABLE)
    const sides = await Sides.start(databases, leash, collector)
    try {
      const results: Measured[] = []
      for (const shape of SHAPES) {
        const each = new Map<Side, Measured[]>(sides.all.map((side) => [side, []]))
        for (let round = 1; round <= rounds; round++) {
          for (const [side, measured] of each) {
            say(`round ${round} of ${rounds}: ${side.name}, ${described(shape)}`)
            measured.push(await measure(side, shape, seconds, databases))
          }
        }
        for (const measured of each.values()) results.push(medians(measured))
      }
      return results
    } finally {
      await leash.close()
      await sides.close()
    }
  } finally {
    await leash.close()
    await databases.close()
  }
}

async function measure(side: Side, shape: Shape, seconds: number, databases: Databases): Promise<Measured> {
  await load(side.url, shape, WARM_UP_SECONDS)
  const before = await stored(side, databases)
  const postgres = new CpuClock(databases.postmaster).start()
  const cpu = side.cpu()
  const { events, spans, refused, ms } = await load(side.url, shape, seconds)
  const [spent, spentByPostgres] = [side.cpu() - cpu, postgres().postgres]
  const missing = events - ((await stored(side, databases)) - before)
  if (side.count !== undefined && missing > 0) throw new Error(`${side.name}: ${missing} rows are missing`)
  const units = shape.events === 0 ? spans : events
  return {
    side: side.name,
    shape,
    rate: (units / ms) * 1000,
    cpu: spent / units,
    postgres: side.count === undefined || spentByPostgres === undefined ? undefined : spentByPostgres / units,
    refused,
  }
}

async function stored({ name, count }: Side, databases: Databases): Promise<number> {
  if (count === undefined) return 0
  const [row] = await query<{ n: number }>(
    name === 'gateway' ? databases.ownerUrl : databases.originalUrl,
    count,
  )
  return row?.n ?? 0
}

async function query<Row>(connectionString: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end()
  }
}

function medians(measured: readonly Measured[]): Measured {
  const [first] = measured
  if (first === undefined) throw new Error('nothing was measured')
  const of = (pick: (one: Measured) => number | undefined) => measured.flatMap((one) => pick(one) ?? [])
  const postgres = of((one) => one.postgres)
  return {
    ...first,
    rate: median(of((one) => one.rate)),
    cpu: median(of((one) => one.cpu)),
    postgres: postgres.length === 0 ? undefined : median(postgres),
    refused: of((one) => one.refused).reduce((sum, refused) => sum + refused, 0),
  }
}

const described = ({ events, spans }: Shape): string =>
  events === spans
    ? `${events} events`
    : events === 0
      ? `${spans} other spans`
      : `${events} events in ${spans} spans`

function report(results: readonly Measured[]): string {
  const number = (value: number | undefined) =>
    value === undefined ? '–' : value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en-US')
  const rows = results.map(({ side, shape, rate, cpu, postgres, refused }) => [
    `${described(shape)}: ${side}`,
    number(rate),
    number(cpu),
    number(postgres),
    `${refused}`,
  ])
  return table([['a request', 'events/s', 'µs CPU/event', 'µs Postgres/event', 'refused'], ...rows]).join(
    '\n',
  )
}

async function main(): Promise<void> {
  const options = gatewayBenchOptions(process.argv.slice(2))
  if (options.help) return console.log(HELP)
  const results = await bench(options, (what) => console.error(`bench:gateway: ${what}`))
  console.log(report(results))
  if (options.json) console.log(JSON.stringify(results))
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
main().catch((error: unknown) => {
  console.error(`bench:gateway: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
