import { defineConfig } from 'vitest/config'
import config from './vitest.config.js'

/** The console in a real Chromium: `npm run console:check`. */
export default defineConfig({
  ...config,
  test: { ...config.test, include: ['test/console/**/*.browser.ts'] },
})
