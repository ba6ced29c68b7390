#!/usr/bin/env bash
# The CI of an application that signs its users in: from Sceau's Debian package to green sign-ins, with nothing else than
# Node, curl and dpkg. No card, no reader, no root, no container. Copy it, and change the cases at its end.
#
#   ci.sh sceau_0.1.0-1_amd64.deb
#
# PORT is where the application listens, 3000 without it.
set -euo pipefail
package=$(realpath "$1")
cd "$(dirname "$0")"
port=${PORT:-3000}
work=$(mktemp -d)
processes=()
finish() {
    status=$?
    [ "$status" = 0 ] || tail -n 40 "$work"/*.log >&2 || true
    kill "${processes[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

# --- what is needed ----------------------------------------------------------------------------------------------------
# Unpacked and not installed: a CI needs no root. It links the system's OpenSSL 3 and nothing of PC/SC.
dpkg-deb --extract "$package" "$work/sceau"
[ -d node_modules ] || npm ci --ignore-scripts --no-audit --no-fund --silent

# --- the provider: free ports, nothing kept ----------------------------------------------------------------------------
"$work/sceau/usr/bin/sceau" sandbox --listen 127.0.0.1:0 --control 127.0.0.1:0 \
    --client-id sample-app --client-secret sample-secret --redirect-uri "http://localhost:$port/*" \
    --post-logout-redirect-uri "http://localhost:$port/bye" >"$work/sandbox.out" 2>"$work/sandbox.log" &
processes+=($!)
until_said() { # file, word
    for _ in $(seq 200); do
        grep --quiet "$2" "$1" && return
        kill -0 "${processes[-1]}" || return 1
        sleep 0.05
    done
    return 1
}
until_said "$work/sandbox.out" ^control
discovery=$(sed -n 's/^discovery *//p' "$work/sandbox.out")
control=$(sed -n 's/^control *//p' "$work/sandbox.out")

# --- the application ---------------------------------------------------------------------------------------------------
ISSUER=${discovery%/.well-known/*} CLIENT_ID=sample-app CLIENT_SECRET=sample-secret PORT=$port \
    node app.mjs >"$work/app.out" 2>"$work/app.log" &
processes+=($!)
until_said "$work/app.out" listening

# --- the cases ---------------------------------------------------------------------------------------------------------
tell() { # method, path, JSON: the control interface of the sandbox
    curl --fail --silent --show-error --output /dev/null --request "$1" --data "${3:-}" "$control$2"
}
sign_in() { # JSON of a scripted sign-in; yields what the application says at the end
    tell POST sign-ins "$1"
    rm -f "$work/jar"
    visit login
}
visit() { # path of the application, with the cookies of the browser
    curl --silent --show-error --location --max-redirs 10 --cookie "$work/jar" --cookie-jar "$work/jar" \
        "http://localhost:$port/$1"
}
expect() { # name of the case, what was said, what has to stand in it
    case $2 in
    *"$3"*) echo "ok    $1" ;;
    *)
        echo "FAIL  $1: $3 is missing in: $2" >&2
        exit 1
        ;;
    esac
}

expect "a doctor signs in" "$(sign_in '{"person":"doctor"}')" '"id":"899700366240","signIns":1,"name":"KIT DOC0036624","professions":["10"],"level":1'
expect "and is signed in" "$(visit me)" '"id":"899700366240"'
expect "and signs out, here and at the provider" "$(visit logout)" '"bye":true'
expect "and is gone" "$(visit me)" 'nobody is signed in'
expect "the same account the second time" "$(sign_in '{"person":"doctor","means":"mobile"}')" '"signIns":2'
expect "a pharmacist" "$(sign_in '{"person":"pharmacist"}')" '"professions":["21"]'
expect "a nurse" "$(sign_in '{"person":"nurse"}')" '"professions":["60"]'
expect "a student" "$(sign_in '{"person":"student"}')" '"professions":["10"]'
expect "an employee without a profession" "$(sign_in '{"person":"employee"}')" '"id":"30B0168811/CPET00001"'
expect "an identity of PSI" "$(sign_in '{"person":"psi"}')" '"professions":[]'
expect "a person who refuses" "$(sign_in '{"person":"doctor","decision":"refuse"}')" 'the person refused'
expect "a person who takes their time" "$(sign_in '{"person":"doctor","after":1}')" '"id":"899700366240"'

tell PATCH switches '{"exercices":"several"}'
expect "two professions" "$(sign_in '{"person":"doctor"}')" '"professions":["10","60"]'
tell PATCH switches '{"exercices":"one","empty_fields":true}'
expect "a directory with holes" "$(sign_in '{"person":"doctor"}')" '"name":"KIT DOC0036624"'
for acr in eidas2:2 eidas3:3 absent:0; do
    tell PATCH switches "{\"acr\":\"${acr%:*}\"}"
    expect "acr ${acr%:*}" "$(sign_in '{"person":"doctor"}')" "\"level\":${acr#*:}"
done
tell PATCH switches '{"unavailable":["userinfo"]}'
expect "a provider that is away" "$(sign_in '{"person":"doctor"}')" 'try again'
tell PATCH switches '{"unavailable":[],"slow":{"token":1}}'
expect "a provider that is slow" "$(sign_in '{"person":"doctor"}')" '"id":"899700366240"'
tell DELETE switches
expect "and all is well again" "$(sign_in '{"person":"doctor"}')" '"level":1'

echo "green after $SECONDS s"
