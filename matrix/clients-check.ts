import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SDK_2, SDK_3 } from './combinations.js'
import { installed, NotHere, realProviders } from './real-servers.js'
import { line } from './report.js'
import { runCombination } from './run.js'
import { Stage } from './stage.js'
import { clientPackages, clientSuite } from './suites/clients.js'
import { outcomesSuite } from './suites/outcomes.js'
import { reconcileSuite } from './suites/reconcile.js'

const HELP = `Real clients against real servers: OpenBao and moto (Secrets Manager, SSM, KMS), which it installs once into build/.

  npm run clients:check [-- --checks]

  --checks  below each line its checks, with what they found

Needs python3 with venv and pip, PyPI and the npm registry. One line for each suite; the exit code is 1 when one of them
failed, and 2 when a server was not to be had, which is said.

Not checked here, since no server of theirs is to be had: Google (gRPC from its own protos), Azure, 1Password, Infisical,
Doppler, Kubernetes. \`npm test\` has fakes of them. moto does not refuse: denied and throttled are of the fake, too.`

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(HELP)
    return
  }
  try {
    await installed()
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    console.log(`not checked: ${error.message}`)
    process.exitCode = 2
    return
  }
  const stage = await Stage.set()
  const directory = join(stage.directory, 'servers')
  await mkdir(directory)
  const providers = () => realProviders(directory)
  const node = process.version.slice(1).split('.', 1)[0] ?? ''
  const suites = [
    outcomesSuite(providers),
    reconcileSuite(providers),
    ...(['ESM', 'CommonJS', 'bundle'] as const).map((format) => clientSuite(format, providers)),
  ]
  const packages = [...(node === '20' ? SDK_2 : SDK_3), ...clientPackages(node)]
  try {
    for await (const result of runCombination(stage, { name: 'real', node, packages, suites })) {
      console.log(line(result, process.argv.includes('--checks')))
      if (result.failure !== undefined) process.exitCode = 1
    }
    console.log(
      'not checked here: Google, Azure, 1Password, Infisical, Doppler, Kubernetes (npm test has fakes of them)',
    )
  } finally {
    await stage.close()
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
main().catch((error: unknown) => {
  console.error(`clients:check: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
