import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import type { HonestTrail } from './honest-trail.js'
import type { Installation } from './installation.js'

/** What follows this line of the page, for whoever reads its source, is run here. */
const MARK = `<!-- run by: npm run moves:check -- --only 'as docs/operations.md' -->`

/** The commands of the section "Backup and restore" of docs/operations.md, as they stand there. */
function commands(): string[] {
  const page = readFileSync(join(packageRoot(), 'docs', 'operations.md'), 'utf8')
  const found = page.split(MARK).slice(1)
  return found.map((text) => {
    const block = /^\n```sh\n(.*?)^```$/ms.exec(text)?.[1]
    if (block === undefined) throw new Error('docs/operations.md: there are no commands after the mark')
    return block
  })
}

/**
 * Backs the trail up and restores it into an empty database, by the commands of the page alone, and prints what they say.
 *
 * @throws Error when one of them fails
 */
export async function backUpAndRestore(
  { directory }: Installation,
  trail: HonestTrail,
  restoredUrl: string,
): Promise<void> {
  const blocks = commands()
  if (blocks.length !== 2) throw new Error(`docs/operations.md: ${blocks.length} blocks of commands`)
  const otelAudit = join(trail.directory, 'otel-audit')
  const cli = join(packageRoot(), 'dist', 'cli', 'main.js')
  await writeFile(otelAudit, `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`)
  await chmod(otelAudit, 0o755)
  const env = {
    PATH: [trail.directory, join(directory, 'bin'), process.env['PATH']].join(delimiter),
    DATABASE_URL: trail.place.url,
    RESTORED_URL: restoredUrl,
    // It is the owner of the trail who moves it.
    NODE_ENV: 'test',
  }
  for (const block of blocks) await bash(block, trail.directory, env)
}

function bash(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    }
    child.once('error', reject)
    child.once('close', (code) => {
      console.log(said.trimEnd().replaceAll(/^/gm, '        '))
      if (code === 0) resolve()
      else reject(new Error(`the commands of docs/operations.md end with ${code}`))
    })
  })
}
