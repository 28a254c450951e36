import { missingForKafka } from './gateway/kafka/jars.js'
import { throughGateway } from './gateway/through-gateway.js'
import { collectorOf } from './gateway/way.js'
import { soakOptions } from './options.js'
import { isGood } from './verdict.js'

const HELP = `The way through Kafka of docs/kafka.md, with real brokers, collectors, gateways and Postgres, all of them killed at random.

  npm run kafka:check [-- <options of the soak: --kills, --seed, --minutes, --brokers, --collector, --lost>]

Java 17, Maven (which fetches Kafka from Maven Central, once) and the collector of npm run collector:check. The exit code is 1 when
something is missing in the trail, twice in it or otherwise not as it should be, and 2 when it could not be checked.`

/** Every kind of kill twice. */
const DEFAULT_KILLS = ['--kills', '34']

async function main(args: readonly string[], stop: AbortSignal): Promise<void> {
  const bounds = args.some((arg) => arg === '--kills' || arg === '--minutes') ? [] : DEFAULT_KILLS
  const options = soakOptions(['--through', 'gateway', '--kafka', ...bounds, ...args])
  const lacks = await missing(options.collector)
  if (lacks !== undefined) {
    console.log(`not checked: ${lacks} is not there`)
    process.exitCode = 2
    return
  }
  const say = (what: string): void => console.error(`kafka:check: ${what}`)
  console.log(`kafka:check: seed ${options.seed}`)
  const { report, verdict } = await throughGateway(options, say, stop)
  console.log(report)
  const { acked_missing, duplicates, unaccounted, findings, acked } = verdict
  const promises = {
    [`${acked} acknowledged events are in Postgres`]: acked > 0 && acked_missing === 0,
    'each of them once': duplicates === 0,
    'senders heard 200 or 503, and nothing is there that nobody sent': unaccounted === 0,
    'the trail verifies': findings === 0,
  }
  for (const [promise, holds] of Object.entries(promises))
    console.log(`${holds ? 'ok  ' : 'FAIL'}  ${promise}`)
  console.log(JSON.stringify(verdict))
  if (!isGood(verdict) || acked === 0) process.exitCode = 1
}

async function missing(collector: string | undefined): Promise<string | undefined> {
  if (collectorOf({ collector }) === undefined) return 'a collector (npm run collector:check builds it)'
  return missingForKafka()
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)))
}
const args = process.argv.slice(2)
if (args.includes('--help')) console.log(HELP)
else {
  main(args, stop.signal)
    .catch((error: unknown) => {
      console.error(`kafka:check: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 1
    })
    // What an aborted one still waits for comes to nothing.
    .finally(() => process.exit())
}
