import { Api } from "@joy/domain/Api"

/** The methods that a path knows, for `405` and `Allow` (RFC 9110, 15.5.6), derived from the contract. */
export const routeTable = (
  others: ReadonlyArray<{ readonly method: string; readonly path: string }>
): ((url: string) => ReadonlyArray<string>) => {
  const endpoints = Object.values(Api.groups).flatMap((group) => Object.values(group.endpoints))
  const routes = [...endpoints, ...others].map(({ method, path }) => ({
    method,
    // Parts that begin with a colon stand for anything but a slash; the root of a group ends in one.
    pattern: new RegExp(
      `^${path
        .replace(/\/$/, "")
        .split("/")
        .map((part: string) => (part.startsWith(":") ? "[^/]+" : part.replace(/[^\w-]/g, "\\$&")))
        .join("/")}/?$`
    )
  }))
  return (url) => {
    const path = url.split(/[?#]/, 1)[0] ?? ""
    const methods = new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))
    if (methods.has("GET")) methods.add("HEAD")
    if (methods.size > 0) methods.add("OPTIONS")
    return [...methods].toSorted()
  }
}
