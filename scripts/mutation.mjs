// Changes the source of a module in every way in which a mistake could, one at a time, and tells which changes no test
// noticed:
//
//   npm run mutation -- chain              all files of src/chain
//   npm run mutation -- chain merkle.ts    one of them
//
// Only what changed since the last run is tried again. The report is in build/mutation.
import { Stryker } from '@stryker-mutator/core'
import { TESTS } from './mutation-modules.mjs'

const [module = '', file = '**/*.ts'] = process.argv.slice(2)
if (TESTS[module] === undefined) {
  console.error(`npm run mutation -- <module> [file]; the modules: ${Object.keys(TESTS).join(', ')}`)
  process.exit(1)
}
process.env.MUTATED_MODULE = module

const stryker = new Stryker({
  mutate: [`src/${module}/${file}`],
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  plugins: ['@stryker-mutator/vitest-runner'],
  coverageAnalysis: 'perTest',
  // A change of what is made at import needs a run of all tests each, and is nearly always noticed.
  ignoreStatic: true,
  // Texts for people are held by the tests of the commands, not by these.
  mutator: { excludedMutations: ['StringLiteral'] },
  concurrency: 2,
  incremental: true,
  incrementalFile: `build/mutation/${module}.json`,
  reporters: ['clear-text', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: `build/mutation/${module}.html` },
  tempDirName: 'build/stryker',
  // It would be rewritten with an API that TypeScript 7 does not have; vitest does not need it.
  tsconfigFile: 'none',
  ignorePatterns: ['build', 'dist', 'docs/console', 'matrix', 'bench', 'soak', 'deploy'],
  allowEmpty: false,
  logLevel: 'warn',
})
await stryker.runMutationTest()
