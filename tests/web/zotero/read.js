// Print what Zotero's own translators read, as JSON: `node read.js page FILE URL` or `node read.js citation FILE`.
process.env.DEBUG_LEVEL = "0"
const fs = require("fs")
const translators = require("zotero-translators") // also defines the global Zotero
const { JSDOM } = require("jsdom")

async function readPage(file, url) {
    const page = new JSDOM(fs.readFileSync(file, "utf8"), { url })
    require("wicked-good-xpath").install(page.window, true)
    const translation = new Zotero.Translate.Web()
    translation.setDocument(page.window.document)
    const [first] = await translation.getTranslators()
    translation.setTranslator(first)
    const items = await translation.translate({ libraryID: false, saveAttachments: false })
    return items.map(({ attachments, ...item }) => ({ translator: first.label, ...item }))
}

async function main([what, file, url]) {
    const items = what === "page"
        ? await readPage(file, url)
        : await translators.referenceImport(fs.readFileSync(file, "utf8"))
    fs.writeFileSync(1, "\nITEMS " + JSON.stringify(items) + "\n")
    process.exit(0)
}

main(process.argv.slice(2)).catch(error => {
    console.error(error)
    process.exit(1)
})
