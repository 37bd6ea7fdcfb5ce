import accounts from "./0001_accounts.ts"
import catalogue from "./0002_catalogue.ts"
import ingest from "./0003_ingest.ts"
import audit from "./0004_audit.ts"
import cluster from "./0005_cluster.ts"
import listeners from "./0006_listeners.ts"
import scanRanges from "./0007_scan_ranges.ts"
import housekeeping from "./0008_housekeeping.ts"
import derivatives from "./0009_derivatives.ts"
import recentRotations from "./0010_recent_rotations.ts"
import sessionRoom from "./0011_session_room.ts"
import objectEvents from "./0012_object_events.ts"
import tracks from "./0013_tracks.ts"
import editing from "./0014_editing.ts"
import eventStreams from "./0015_event_streams.ts"
import traces from "./0016_traces.ts"
import progress from "./0017_progress.ts"
import shares from "./0018_shares.ts"
import search from "./0019_search.ts"
import facets from "./0020_facets.ts"
import owners from "./0021_owners.ts"
import renditions from "./0022_renditions.ts"

/** Every migration by number and name. Forward only: a released file never changes, a new one is added below. */
export const migrations = {
  "0001_accounts": accounts,
  "0002_catalogue": catalogue,
  "0003_ingest": ingest,
  "0004_audit": audit,
  "0005_cluster": cluster,
  "0006_listeners": listeners,
  "0007_scan_ranges": scanRanges,
  "0008_housekeeping": housekeeping,
  "0009_derivatives": derivatives,
  "0010_recent_rotations": recentRotations,
  "0011_session_room": sessionRoom,
  "0012_object_events": objectEvents,
  "0013_tracks": tracks,
  "0014_editing": editing,
  "0015_event_streams": eventStreams,
  "0016_traces": traces,
  "0017_progress": progress,
  "0018_shares": shares,
  "0019_search": search,
  "0020_facets": facets,
  "0021_owners": owners,
  "0022_renditions": renditions
}

/** The number of the newest migration: a database beyond it belongs to a newer version of the program. */
export const newest = Math.max(...Object.keys(migrations).map((name) => Number.parseInt(name, 10)))
