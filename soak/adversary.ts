import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../bench/number-option.js'
import { adversary } from '../test/support/adversary.js'
import { TrailServer } from '../test/support/trail-server.js'

const DEFAULT_MUTATIONS = 10_000
const PROGRESS_EVERY = 500

const HELP = `Changes the messages between a writer and its Postgres, and proves that nothing is committed that is not stored.

  npm run adversary -- [--mutations <n>] [--seed <n>]

  --mutations  how many messages are dropped, doubled, cut, exchanged, … one at a time, 1 to 10000000 (default ${DEFAULT_MUTATIONS})
  --seed       decides which, and where, 0 to 4294967295 (default: random; it is printed)

Starts a Postgres of its own. Ten thousand take about a quarter of an hour. The last line on stdout is the result as JSON;
the exit code is 1 when one row was called committed that is not stored as it was sent.`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mutations: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(HELP)
  const most = wholeNumberOption('--mutations', values.mutations, DEFAULT_MUTATIONS, 1, 10_000_000)
  const seed = wholeNumberOption('--seed', values.seed, Date.now() % 2 ** 32, 0, 2 ** 32 - 1)
  console.error(`adversary: seed ${seed}`)
  const trails = await TrailServer.start()
  try {
    const report = await adversary(await trails.trail(), seed, (done) => {
      if (done > 0 && done % PROGRESS_EVERY === 0) console.error(`adversary: ${done} of ${most}`)
      return done >= most
    })
    for (const lie of report.lies) console.error(`adversary: committed, and not stored: ${lie}`)
    console.log(JSON.stringify({ seed, ...report }))
    if (report.lies.length > 0) process.exitCode = 1
  } finally {
    await trails.close()
  }
}

main().catch((error: unknown) => {
  console.error(`adversary: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
