// Takes the pictures of the console in docs/console, from a demo of its own: npm run console:screenshots.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { launchChromium } from '../build/test/support/chromium.js'

const ROOT = join(import.meta.dirname, '..')
const FOLDER = join(ROOT, 'docs', 'console')
/** Requests of the demo's light traffic that are waited for: the histogram is to show more than one moment. */
const REQUESTS = 25

const WINDOW = 'from=-2m'
const ROWS = `/?${WINDOW}&outcome=not-ok`
const PICTURES = [
  { name: 'rows-light', width: 1280, colorScheme: 'light', path: `/?${WINDOW}` },
  { name: 'row-dark', width: 1280, colorScheme: 'dark', path: ROWS, isRow: true },
  { name: 'credentials-dark', width: 1280, colorScheme: 'dark', path: `/?${WINDOW}&view=summary` },
  { name: 'chains-light', width: 1280, colorScheme: 'light', path: '/?view=chains' },
  { name: 'narrow-light', width: 400, colorScheme: 'light', path: ROWS },
  { name: 'narrow-dark', width: 400, colorScheme: 'dark', path: ROWS, isRow: true },
]

const demo = spawn(process.execPath, [join(ROOT, 'build/examples/wallet/demo/main.js')], {
  cwd: ROOT,
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = once(demo, 'exit')
try {
  const { url, token } = await running(demo)
  const browser = await launchChromium()
  await mkdir(FOLDER, { recursive: true })
  for (const picture of PICTURES) await take(browser, url, token, picture)
  await browser.close()
} finally {
  demo.kill('SIGTERM')
  await ended
}

/** Where the console is, once there is something to see in it. */
async function running({ stdout }) {
  let found
  let requests = 0
  for await (const line of createInterface({ input: stdout })) {
    const [, url, token] = /the console: (http:\S+) {2}token: (\S+)/.exec(line) ?? []
    if (url !== undefined) found = { url, token }
    if (found !== undefined && /^\d{3} {2}/.test(line) && ++requests === REQUESTS) {
      // The rest is nobody's to read; the demo would wait for it.
      stdout.resume()
      return found
    }
  }
  throw new Error('the demo has ended')
}

async function take(browser, url, token, { name, width, colorScheme, path, isRow = false }) {
  const context = await browser.newContext({
    viewport: { width, height: width > 1000 ? 560 : 1000 },
    colorScheme,
  })
  await context.addInitScript((value) => sessionStorage.setItem('token', value), token)
  const page = await context.newPage()
  await page.goto(url + path)
  await page.locator('tbody tr').first().waitFor()
  if (isRow) {
    await page.locator('tbody td.time a').first().click()
    await page.getByText('✓ verified').waitFor()
  }
  await page.screenshot({ path: join(FOLDER, `${name}.png`) })
  await context.close()
}
