import { Api } from "@joy/domain/Api"

export interface RouteTable {
  /** The methods that a path knows, for `405` and `Allow` (RFC 9110, 15.5.6). */
  readonly methods: (url: string) => ReadonlyArray<string>
  /** The path as the contract has it, with names for its ids; nothing for one that is in no contract. */
  readonly pathOf: (url: string) => string | undefined
}

/** What the contract says about paths. */
export const make = (others: ReadonlyArray<{ readonly method: string; readonly path: string }>): RouteTable => {
  const endpoints = Object.values(Api.groups).flatMap((group) => Object.values(group.endpoints))
  const routes = [...endpoints, ...others].map(({ method, path }) => ({
    method,
    path: path.replace(/(.)\/$/, "$1"),
    // What begins with a colon stands for anything but a slash; the root of a group ends in one.
    pattern: new RegExp(
      `^${path
        .replace(/\/$/, "")
        .replace(/[^\w/:-]/g, "\\$&")
        .replace(/:\w+/g, "[^/]+")}/?$`
    )
  }))
  const matching = (url: string) => {
    const path = url.split(/[?#]/, 1)[0] ?? ""
    return routes.filter(({ pattern }) => pattern.test(path))
  }
  return {
    methods: (url) => {
      const methods = new Set(matching(url).map(({ method }) => method))
      if (methods.has("GET")) methods.add("HEAD")
      if (methods.size > 0) methods.add("OPTIONS")
      return [...methods].toSorted()
    },
    // Where a word and a name both fit, the word does.
    pathOf: (url) => matching(url).toSorted((a, b) => a.path.split(":").length - b.path.split(":").length)[0]?.path
  }
}
