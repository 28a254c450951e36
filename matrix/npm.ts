import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../test/support/postgres/package-root.js'

const run = promisify(execFile)

/**
 * Runs npm in a directory, under the given Node: so it is that Node of which npm checks what packages ask for.
 *
 * @returns its standard output @throws Error with the output of npm
 */
async function npm(directory: string, args: readonly string[], node = process.execPath): Promise<string> {
  // Set by `npm run`: the script of npm itself.
  const script = process.env['npm_execpath']
  if (script === undefined) throw new Error('start it with npm: npm run test:matrix')
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', '--prefer-offline']
  try {
    const { stdout } = await run(node, [script, ...args, ...quiet], {
      cwd: directory,
      env: { ...process.env, npm_config_user_agent: undefined },
      maxBuffer: 2 ** 26,
    })
    return stdout
  } catch (error) {
    const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string }
    throw new Error(`npm ${args.join(' ')} failed: ${stderr}${stdout}`.slice(0, 4000), { cause: error })
  }
}

/**
 * Installs packages as a user would.
 *
 * @param specs names with versions, or paths of tarballs
 */
export async function install(directory: string, specs: readonly string[], node?: string): Promise<void> {
  await npm(directory, ['install', ...specs], node)
}

/**
 * The same by pnpm, whose `node_modules` has links into a store. It runs under the Node of this process: what is installed does
 * not depend on it.
 */
export async function installByPnpm(directory: string, specs: readonly string[]): Promise<void> {
  const home = join(packageRoot(), 'build', 'matrix-pnpm')
  await mkdir(home, { recursive: true })
  await writeFile(join(home, 'package.json'), '{ "private": true }')
  await install(home, ['pnpm@^10.0.0'])
  const script = join(home, 'node_modules', 'pnpm', 'bin', 'pnpm.cjs')
  const args = ['add', ...specs, '--prefer-offline', '--store-dir', join(home, 'store'), '--reporter=silent']
  const { stdout } = await run(process.execPath, [script, ...args], { cwd: directory, maxBuffer: 2 ** 26 })
  if (stdout !== '') throw new Error(`pnpm: ${stdout}`.slice(0, 4000))
}

/** Packs this package as it would be published. @returns the path of the tarball */
export async function pack(root: string, destination: string): Promise<string> {
  const printed = await npm(root, ['pack', '--json', '--pack-destination', destination])
  const [packed] = JSON.parse(printed) as { filename: string }[]
  if (packed === undefined) throw new Error('npm pack produced no tarball')
  return `${destination}/${packed.filename}`
}
