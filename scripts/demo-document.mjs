import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const ROOT = join(import.meta.dirname, '..')

/**
 * What `npm run demo -- --once --json` prints (docs/demo.md), parsed.
 *
 * @param env more variables for it
 * @param started told of the process as soon as there is one, with what resolves when it has ended
 */
export async function demoDocument(env = {}, started = () => {}) {
  const args = [join(ROOT, 'build', 'examples', 'wallet', 'demo', 'main.js'), '--once', '--json']
  const variables = { ...process.env, ...env }
  delete variables.DATABASE_URL // An embedded one, which leaves nothing behind.
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: variables,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit')
  started(child, exit)
  const [said, complaints] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await exit
  if (code !== 0)
    throw new Error(`the demo ended with ${code}:\n${complaints.split('\n').slice(-15).join('\n')}`)
  return JSON.parse(said)
}
