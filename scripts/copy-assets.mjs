// What the compiler does not carry over: the SQL of migrations and statements, and the files of the console.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const SQL = /\.sql$/
const CONSOLE = /^src\/console\/.*\.(html|css|js|svg)$/

/** The package, and what benchmarks use of its inside. */
const PLACES = ['dist', 'build/src']

const isAsset = (path) => !/\.[a-z]+$/.test(path) || SQL.test(path) || CONSOLE.test(path)

vendorChart()
for (const place of PLACES) {
  cpSync('src', place, { recursive: true, filter: (path) => isAsset(path.replaceAll('\\', '/')) })
}

/** The chart library of the console, as its package has it, with its licence: the console loads nothing from elsewhere. */
function vendorChart() {
  const from = (file) => readFileSync(`node_modules/uplot/${file}`, 'utf8')
  const licence = `/*!\n${from('LICENSE').trim()}\n*/\n`
  mkdirSync('src/console/vendor', { recursive: true })
  writeFileSync(
    'src/console/vendor/uplot.js',
    `${licence}${from('dist/uPlot.iife.min.js').trim()}\nexport { uPlot }\n`,
  )
  writeFileSync(
    'src/console/vendor/uplot.css',
    `/* uPlot; its licence is in uplot.js. */\n${from('dist/uPlot.min.css').trim()}\n`,
  )
}
