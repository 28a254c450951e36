import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../bench/number-option.js'
import { hostileSettings } from '../test/support/hostile-settings.js'
import { TrailServer } from '../test/support/trail-server.js'

const PROGRESS_EVERY = 100

interface Choice {
  /** In another order, so that a run that is cut short has seen something of everything. */
  readonly seed: number | undefined
  /** Of one setting alone. */
  readonly only: string | undefined
}

/** `--seed N`, `--only NAME`. */
function choiceOf(args: readonly string[]): Choice {
  const { values } = parseArgs({
    args: [...args],
    options: { seed: { type: 'string' }, only: { type: 'string' } },
  })
  const seed =
    values.seed === undefined ? undefined : wholeNumberOption('--seed', values.seed, 0, 0, 2 ** 32 - 1)
  return { seed, only: values.only }
}

/**
 * `npm run hostile-settings`: makes every setting that a user, a superuser or a start may make, to each of its ends, for
 * the role, for the database and by PGOPTIONS. Under each a trail is written, read, verified, migrated and diagnosed.
 * Starts a Postgres of its own, and takes about half an hour. The exit code is 1 when something came out otherwise.
 */
async function main(): Promise<void> {
  const trails = await TrailServer.start()
  try {
    let told: string | undefined
    const say = (difference: string | undefined): void => {
      if (difference !== undefined && difference !== told) console.error(`hostile-settings: ${difference}`)
      told = difference
    }
    const choice = choiceOf(process.argv.slice(2))
    const report = await hostileSettings(await trails.trail(), choice, (done, last) => {
      say(last)
      if (done > 0 && done % PROGRESS_EVERY === 0) console.error(`hostile-settings: ${done}`)
      return false
    })
    say(report.differences.at(-1))
    if (report.cases === 0)
      throw new Error(`the server has no setting ${choice.only ?? ''} that a user may make`)
    console.log(JSON.stringify({ ...report, differences: report.differences.length }))
    if (report.differences.length > 0) process.exitCode = 1
  } finally {
    await trails.close()
  }
}

main().catch((error: unknown) => {
  console.error(`hostile-settings: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
