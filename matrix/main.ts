import { COMBINATIONS } from './combinations.js'
import { HELP, type MatrixOptions, matrixOptions } from './options.js'
import { line } from './report.js'
import { runCombination } from './run.js'
import { Stage } from './stage.js'
import type { Combination } from './suite.js'

async function main(): Promise<void> {
  const options = matrixOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const wanted = chosen(options)
  if (wanted.length === 0) throw new TypeError('--only matches none of the lines')
  const stage = await Stage.set()
  try {
    for (const combination of wanted) {
      for await (const result of runCombination(stage, combination)) {
        console.log(line(result, options.checks))
        if (result.failure !== undefined) process.exitCode = 1
      }
    }
  } finally {
    await stage.close()
  }
}

function chosen({ only }: MatrixOptions): readonly Combination[] {
  return COMBINATIONS.map((combination) => ({
    ...combination,
    suites: combination.suites.filter(({ name }) => only.test(`${combination.name} ${name}`)),
  })).filter(({ suites }) => suites.length > 0)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
main().catch((error: unknown) => {
  console.error(`matrix: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
