import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { layOverlay } from './kubernetes/overlay.js'

/**
 * `npm run kubernetes:check`: `deploy/kubernetes` and the overlay of `docs/operations.md`, as kustomize makes them, against the
 * schemas that Kubernetes publishes, strictly. Exit code 2 when the programs were not to be had.
 */
const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1'
/** It brings the schemas of each version. */
const VALIDATOR = 'kubernetes-validate==1.37.0'
/** The oldest that is tried, which is out of support, and the newest. */
const VERSIONS = ['1.29', '1.37']

const run = promisify(execFile)
const root = packageRoot()
const tools = join(root, 'build', 'kubernetes-tools')
const work = join(root, 'build', 'kubernetes-check')

class NotHere extends Error {}

try {
  await main()
} catch (error) {
  console.error(error instanceof NotHere ? `not checked: ${error.message}` : error)
  process.exitCode = error instanceof NotHere ? 2 : 1
}

async function main(): Promise<void> {
  const [kustomize, validate] = [await kustomizeBinary(), await validator()]
  rmSync(work, { recursive: true, force: true })
  layOverlay(root, join(work, 'overlay'))
  let passed = 0
  for (const [name, directory] of [
    ['deploy/kubernetes', join(root, 'deploy', 'kubernetes')],
    ['the overlay of docs/operations.md', join(work, 'overlay')],
  ] as const) {
    const { stdout } = await run(kustomize, ['build', directory])
    const kinds = [...stdout.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind)
    const built = join(work, `${name.replaceAll(/\W+/g, '-')}.yaml`)
    writeFileSync(built, stdout)
    console.log(`kustomize build ${name}: ${kinds.length} objects: ${kinds.join(', ')}`)
    for (const version of VERSIONS) {
      const said = await run(validate, ['-k', version, '--strict', built])
      const count = (said.stdout + said.stderr).match(/passed/g)?.length ?? 0
      if (count !== kinds.length)
        throw new Error(`${count} of ${kinds.length} objects passed:\n${said.stdout}${said.stderr}`)
      console.log(`  Kubernetes ${version}, strict: ${count} passed`)
      passed += count
    }
  }
  console.log(`${passed} passed, 0 failed`)
}

async function kustomizeBinary(): Promise<string> {
  const binary = join(tools, 'kustomize')
  if (existsSync(binary)) return binary
  mkdirSync(tools, { recursive: true })
  try {
    await run('go', ['install', '-p', '2', KUSTOMIZE], { env: { ...process.env, GOBIN: tools } })
  } catch (cause) {
    throw new NotHere('kustomize could not be built: it takes Go and its module proxy', { cause })
  }
  return binary
}

async function validator(): Promise<string> {
  const home = join(tools, 'python')
  const program = join(home, 'bin', 'kubernetes-validate')
  if (existsSync(program)) return program
  try {
    await run('python3', ['-m', 'venv', home])
    await run(join(home, 'bin', 'python3'), ['-m', 'pip', 'install', '--quiet', VALIDATOR])
  } catch (cause) {
    throw new NotHere('kubernetes-validate is not to be had: it takes python3 with venv, and PyPI', { cause })
  }
  return program
}
