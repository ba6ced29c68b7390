# The texts of the pages. Same ids as fr.ftl, in the same order.

## Everywhere

cancel = Cancel
go-on = Continue
sign-out = Sign out
back = Back
back-to = Back to { $name }
other-language = Version française
try-again = Try again

## Sign-in page

sign-in-title = Sign in
sign-in-towards = to reach { $name }
sign-in-expected = The service expects { $name }.
means-all = Ways to sign in
means-card = CPS card
means-key = Security key
means-passkey = Synchronised passkey
means-second-factor = Security key (second factor only)
means-touch = Touch my key
means-phone = Phone

provider-lead = You go to the page of { $name } and then come back here.
provider-start = Continue with { $name }
provider-away = { $name } does not answer at the moment.
    .detail = The other ways to sign in on this page work.

card-insert = Insert your card into the reader.
card-start = Sign in with the CPS card
card-start-again = Open the card window again
card-hint = A window of this computer will ask for your PIN. This site never sees it.
card-opening = Opening the card window…
card-waiting = Continue in the card window.
    .detail = This page moves on by itself once you are done.
card-cancelled = You cancelled.
    .detail = Nothing was sent. You can start again whenever you like.
card-done = Done, you are signed in.
badge-start = Continue with my badge
badge-hint = Then lay your card on the contactless reader. You will not be asked for your PIN.
badge-locked = You can also open it again with your badge: choose “Continue with my badge”.
badge-asking = One moment…
badge-waiting = Lay your card on the contactless reader.
    .detail = This page moves on by itself as soon as your card has been read.
card-same-tab = Try in this tab
card-help = How does this work?
card-help-program = A program on this computer, the Sceau agent, reads your card. No health data is exchanged.
card-help-window = Its window shows your name, the service that asks, and how many tries are left before it asks for your PIN.
card-help-code = Your PIN is typed on the reader or on this computer only, and never leaves it.

## Sandbox

sandbox-banner = Sandbox: no identity here is real
persons-title = Test persons
persons-who = Who signs in?
persons-means = Means that is played
persons-mobile = e-CPS (phone)
persons-approve = Approve
persons-refuse = Refuse
person-doctor = Doctor, two places of practice
person-pharmacist = Pharmacist
person-nurse = Nurse
person-student = Medical student
person-employee = Hospital employee (identifier of type 3)
person-psi = PSI identity, without a profession

## Back from the card

bounce-title = One moment…
bounce-detail = Your card has answered, the sign-in is being completed.
form-post-detail = You are going back to the service you wanted to use.
finish-done = You are signed in
finish-cancelled = Sign-in cancelled
finish-close = You can close this window.

## Certificate of the card

card-certificate = Sign in with the card’s certificate (ANS components)
holder-title = Are you { $name }?
holder-detail = This is the name in the certificate of the card presented, which is about to sign you in to { $name }.
holder-profession = Profession
holder-id = National identifier
holder-go-on = Yes, continue
holder-warning = Do not continue if this card is not yours, or if you did not ask to sign in.
holder-not-me = This is not me

## Sessions

home-title = Where you are signed in
home-sessions = Where you are signed in
home-current = This browser
home-place-unknown = Unknown workstation
home-end = Close this sign-in
home-end-all = Sign out everywhere
home-allowed = What you have allowed
home-allowed-since = since { $year }-{ $month }-{ $day }
home-allowed-offline = This service can act in your name now, even if you sign out.
home-allowed-present = This service cannot act in your name when you are not signed in.
home-withdraw = Take this back
home-withdraw-detail = A service from which you take something back loses its access at once. It asks you again when you next open it.
nobody-title = You are not signed in
nobody-detail = To sign in, open one of the services of the establishment. This page will then show where you are signed in.
since-minutes = { $n ->
        [0] just now
        [one] for { $n } minute
       *[other] for { $n } minutes
    }
since-hours = { $n ->
        [one] for { $n } hour
       *[other] for { $n } hours
    }
confirm-title = Is this you?
confirm-name = You are signed in as { $name }
confirm-detail = Several people use this workstation. Make sure that this is your name before you continue.
confirm-not-me = This is not me
consent-title = Do you allow this service?
consent-unvouched = “{ $name }” registered itself: your establishment does not vouch for it. Refuse if you did not expect it.
consent-asks = { $name } asks to:
consent-openid = know who you are, by your national identifier
consent-profile = know your name
consent-professional = know your practice: profession, specialities, places and functions
consent-offline = act in your name when you are no longer signed in
consent-claim = know this: { $name }
consent-resource = reach { $name } for you
consent-detail = In detail
consent-allow = Allow
consent-refuse = Do not allow
sign-out-title = Sign out?
sign-out-asked = { $name } asks to sign you out.
sign-out-detail = All services opened with this sign-in will be closed.
sign-out-stay = Stay signed in
signed-out-title = You are signed out
signed-out-detail = The services you had opened have been told.
signed-out-untold = These services could not yet be told that you have left:
    .action = Close them yourself, or close the browser. We keep trying to tell them.
signed-out-card = Do not forget your card in the reader.

## Pages of the agent

agent-name = Sceau agent
agent-place = on this computer
agent-confirm-title = Your CPS card
agent-choose-title = Which card is yours?
agent-choose-towards = There are several cards. Choose yours to sign in to { $name }
agent-another-card = This is not my card
agent-signs-in = signs in to { $name }
agent-tries-left = { $n ->
        [one] { $n } try left before the PIN is blocked.
       *[other] { $n } tries left before the PIN is blocked.
    }
agent-last-try = Careful, this is your last try.
    .detail = If the PIN is wrong, the card is blocked. If you are not sure, cancel and find your PIN first.
agent-last-try-agree = I understand, and I know my PIN.
agent-pin-label = PIN of your card
agent-pin-pad = You will type your PIN on the reader’s keys.
agent-pin-window = You will type your PIN in a window of this computer.
agent-pin-page = Your PIN goes to the card and does not leave this computer.
agent-sign = Sign in
agent-start = Type my PIN
agent-server = Asked by
agent-reader = Reader
agent-back-to = Back to { $name }.
agent-wait-card = Insert your card
    .detail = The rest follows by itself.
agent-wait-reading = Reading the card…
    .detail = Leave it in the reader.
agent-wait-pad = Type your PIN on the reader
    .detail = Confirm with the green key.
agent-wait-window = Type your PIN in the window that opens
    .detail = It may be behind this one.
agent-wait-signing = Your card is signing…
    .detail = Leave it in the reader.

## Demonstration services

demo-kind = Demonstration service
demo-welcome = Welcome
    .detail = This service is made for Pro Santé Connect. Here, Sceau tells it who you are.
demo-sign-in = Sign in
demo-signed-in = You are signed in
demo-place = Place of practice
demo-id = National identifier
demo-level = Level
demo-other = Open { $name }
demo-received = What the service received
demo-refused = Sign-in did not go through.

## Errors

error-title = Sign-in did not go through
error-code = Code
error-operation = Reference
error-unknown = Something unexpected happened.
    .action = Try again. If it happens again, give the code and the reference below to your IT department.

error-WEB-001 = This request does not come from this page.
    .title = Something went wrong
    .action = Go back to the service you wanted to use and start signing in again.
error-WEB-002 = Too many requests in a short time.
    .title = Something went wrong
    .action = Wait a minute, then try again.
error-WEB-003 = This page does not exist.
    .title = Page not found
    .action = Check the address, or go back to the service you wanted to use.
error-WEB-004 = This page cannot be opened this way.
    .title = Something went wrong
    .action = Go back to the service you wanted to use and start signing in again.
error-WEB-005 = Something unexpected happened on our side.
    .title = Something went wrong
    .action = Try again in a moment. If it happens again, give the reference below to your IT department.
error-WEB-007 = The server took too long to answer.
    .title = Something went wrong
    .action = Try again in a moment.
error-WEB-008 = This card was refused too often from this place.
    .action = Wait a few minutes, then try again. A card in order, with its PIN, is still accepted.
error-WEB-010 = This computer did not answer.
    .action = The Sceau agent, the program that reads your card, does not seem to be running. Start it, then try again. If it is not installed on this computer, ask your IT department.
error-WEB-011 = The card has not been read yet.
    .action = If your browser said that it could not connect, the Sceau agent is not running on this computer: start it, then try again. Your request is still good.
error-WEB-012 = The server cannot be reached.
    .action = Check this computer’s network connection, then try again.
error-WEB-013 = This page was opened too long ago.
    .action = Go back to the service you wanted to use and start signing in again.

## PIN window

agent-question-description = { $relying_party } asks who you are, through { $server } ({ $origin }).
    Card of { $holder }. This request comes from another program. If you expected it, type the number of { $digits } digits that it shows; if not, refuse.
agent-question-prompt = Number shown:
agent-question-next = Continue
agent-question-refuse = Refuse
agent-window-description = { $relying_party } asks for your card through { $server } ({ $origin }).
    { $holder }
agent-window-prompt = Card PIN:

## Errors of the agent

error-AGENT-001 = This request comes from another user of this computer.
    .action = Start again from your own session. If that is where you are, tell your IT department.
error-AGENT-002 = This request was not meant for the agent of this computer.
    .action = Go back to the sign-in page and start again.
error-AGENT-003 = The Sceau agent works, but nothing is asked of it here.
    .action = Go back to the service you wanted to use and sign in with your card.
error-AGENT-004 = The request is malformed.
    .action = Go back to the sign-in page and start again.
error-AGENT-005 = The request is too large.
    .action = Go back to the sign-in page and start again.
error-AGENT-006 = The request took too long to arrive.
    .action = Go back to the sign-in page and start again.
error-AGENT-007 = The request does not come from a page that you opened.
    .action = Go back to the sign-in page and start again.
error-AGENT-008 = The browser did not say which site asks for your card.
    .action = Go back to the sign-in page and start again. If it happens again, tell your IT department: something probably changes the pages.
error-AGENT-009 = A site that this computer does not know asked for your card.
    .action = Do not try again from that site. If it is yours, ask your IT department to enrol this computer.
error-AGENT-010 = The request is not signed by your establishment’s server.
    .action = Go back to the sign-in page and start again. If it happens again, this computer has to be enrolled again.
error-AGENT-011 = What was received is no card request.
    .action = Go back to the sign-in page and start again.
error-AGENT-012 = The agent of this computer does not understand this request.
    .action = Ask your IT department to update the Sceau agent.
error-AGENT-013 = The request was made by another site than the one that sends it.
    .action = Do not try again from that site, and tell your IT department.
error-AGENT-014 = This kind of card request cannot come through the browser.
    .action = Go back to the sign-in page and start again.
error-AGENT-015 = The clocks of this computer and of the server differ by more than ten minutes.
    .action = Ask your IT department to set the clock of this computer.
error-AGENT-016 = This request was answered or cancelled already.
    .action = Go back to the sign-in page and start again.
error-AGENT-017 = This page of the agent is no longer valid.
    .action = Go back to the sign-in page and start again.
error-AGENT-018 = This form does not come from the agent’s page.
    .action = Go back to the sign-in page and start again.
error-AGENT-019 = There is nothing at this address.
    .action = Go back to the service you wanted to use.
error-AGENT-020 = Your card is answering another request already.
    .action = Finish it or close the PIN window, then try again.
error-AGENT-021 = The window for the PIN does not open.
    .action = Tell your IT department: the program “pinentry” is missing or finds no screen.
error-AGENT-022 = The PIN was not typed in time.
    .action = Try again when you are ready.
error-AGENT-023 = What was typed cannot be a card’s PIN.
    .action = Your card did not see it and no try is lost. Type the digits of your PIN.
error-AGENT-024 = The PIN of your card is blocked.
    .action = Unblock it with the unblocking code that came with the card, or ask your IT department.
error-AGENT-025 = The agent of this computer failed.
    .action = Try again. If it happens again, give the code below to your IT department.
error-AGENT-050 = This workstation waits for the approval of your IT department.
    .action = Ask them to approve it, then try again. Nothing has to be done anew at this workstation.
error-AGENT-051 = This workstation is no longer allowed.
    .action = Ask your IT department to enrol it again.
error-AGENT-060 = This is not a number of the right length.
    .action = Type the number that the other program shows, all of it and without spaces.

## People

error-PERSON-001 = Your number is not known here.
    .action = It is not in your hospital’s directory. Ask your IT department, with the code below.
error-PERSON-002 = You are not linked with this establishment.
    .action = You were recognised, but the establishment has to open your access. Ask your IT department or human resources.
error-PERSON-003 = Your access was disabled.
    .action = Ask your IT department.

## Certificate of the card

error-CERT-001 = The certificate of your card cannot be read.
    .action = Take your card out, put it back, then try again. If it happens again, give the code and the reference below to your IT department.
error-CERT-002 = Your card has expired.
    .action = Ask the Agence du Numérique en Santé for a new card. Until then, sign in another way if your establishment offers one.
error-CERT-003 = Your card is not valid yet.
    .action = Try again from the date on which the card becomes valid. If that date has passed, tell your IT department.
error-CERT-004 = This card was not issued by an authority that your establishment recognises.
    .action = Check that you have inserted your professional card. If you have, give the code and the reference below to your IT department.
error-CERT-005 = Your card has been revoked.
    .action = It can no longer be used. If you had reported it lost, use the new one. Otherwise, contact the Agence du Numérique en Santé.
error-CERT-006 = This certificate cannot be used to sign in.
    .action = Try again. If it happens again, give the code and the reference below to your IT department.
error-CERT-007 = What was presented is not a professional card.
    .action = Insert your CPS, CPF, CPE or CPA card, then try again. A certificate kept in a file is not accepted.
error-CERT-008 = This card is a test card.
    .action = Insert your own card, then try again.
error-CERT-009 = The certificate of this card is no longer safe enough.
    .action = Ask the Agence du Numérique en Santé for a new card.
error-CERT-010 = We cannot check whether your card is still valid.
    .action = Nothing is wrong with your card. Tell your IT department, giving the code below, and sign in another way if your establishment offers one.
error-CERT-011 = We cannot check whether your card is still valid.
    .action = Nothing is wrong with your card. Tell your IT department, giving the code below, and sign in another way if your establishment offers one.
error-CERT-014 = The certificate of your card is not one that your establishment accepts.
    .action = Give the code and the reference below to your IT department.
error-CERT-015 = This type of card is not accepted here.
    .action = Ask your IT department which cards are.
error-CERT-016 = The identity written in this card is not recognised.
    .action = Give the code and the reference below to your IT department.
error-CERT-017 = The card’s answer does not belong to this sign-in.
    .action = Go back to the service you wanted to use and start again, leaving the card in the reader.
error-CERT-030 = This card bears nobody’s name.
    .action = Use the card in your own name: the card of a service cannot sign you in.
error-CERT-031 = What answered is the contactless side of the card.
    .action = Put the card into the slot of a reader and start again: your PIN is needed.
error-CERT-032 = What answered is not the contactless side of the card.
    .action = Lay the card on the contactless reader and start again.

## Reader and card

error-READER-001 = The card service of this computer is not running.
    .action = Restart the computer, then try again. If it happens again, tell your IT department: the PC/SC service has stopped.
error-READER-002 = No card reader is connected.
    .action = Connect the reader to this computer, wait a few seconds, then try again.
error-READER-003 = There is no card in the reader.
    .action = Insert your card, chip first, then try again.
error-READER-004 = The card in the reader is not a health professional’s card.
    .action = Insert your CPS, CPF, CPE or CPA card, then try again.
error-READER-005 = This generation of card is not supported yet.
    .action = Use another card if you have one, and tell your IT department: the Sceau agent needs an update.
error-READER-006 = The card was taken out too early.
    .action = Put your card back, leave it in the reader, then try again.
error-READER-007 = This is no longer the card that was shown.
    .action = No code was sent to this card. Leave yours in the reader, then try again.
error-READER-008 = Another program is using your card.
    .action = Wait until it has finished, or close it, then try again.
error-READER-009 = The code is wrong.
    .action = Check it before you try again: after three errors in a row the card is blocked.
error-READER-010 = Only one try is left.
    .action = Confirm that you know your code before you use it, or cancel.
error-READER-011 = The code of your card is blocked.
    .action = Unblock it with the unblocking code that came with the card, or contact your IT department.
error-READER-012 = The certificate of your card cannot be read.
    .action = Take the card out, put it back, then try again. If it happens again, tell your IT department.
error-READER-013 = The card’s signature is not valid.
    .action = Try again. If it happens again, tell your IT department: the card is probably faulty.
error-READER-014 = This code does not have the right number of digits.
    .action = Your card received nothing and no try is lost. Type the digits of your code.
error-READER-015 = The card does not answer.
    .action = Check that it is the right way round and that its chip is clean, then try again.
error-READER-016 = The card refused an operation.
    .action = Take the card out, put it back, then try again. If it happens again, give the code below to your IT department.
error-READER-017 = The reader was disconnected.
    .action = Connect it again, wait a few seconds, then try again.
error-READER-018 = The connection to the card broke while the code was being sent.
    .action = A try may have been counted: look at how many are left before you try again.
error-READER-019 = There are several cards.
    .action = Leave only yours in, then try again.
error-READER-020 = The connection to the card was lost.
    .action = Take the card out, put it back, then try again.
error-READER-021 = The card service of this computer reported an error.
    .action = Try again. If it happens again, give the code below to your IT department.
error-READER-022 = Your card lies on a contactless reader.
    .action = Put it into the slot of a reader and try again: your PIN is needed.
error-READER-023 = Your card stands in the slot of a reader.
    .action = Lay it on the contactless reader.
error-READER-024 = Your card does not say how to present your PIN.
    .action = No try is lost. Tell your IT department: the Sceau agent has to be updated.
error-READER-025 = The PIN was not typed on the reader in time.
    .action = No try is lost. Try again when you are ready.
error-READER-026 = The entry was cancelled on the reader.
    .action = No try is lost. Try again, or go back to the sign-in page.
error-READER-027 = Another program holds your card for itself alone.
    .action = Close the program that uses it, then try again. If you do not know which, restart the computer or tell your IT department.
error-READER-028 = The keys of the reader no longer answer.
    .action = No try is lost. Unplug the reader, plug it in again, then try again.
error-READER-029 = Your card cannot be read to its end.
    .action = Take the card out. If it happens again, the card is faulty: have it replaced.

## Errors of the card sign-in

error-CARD-001 = The card’s answer was sent by another site.
    .action = Go back to the service you wanted to use and sign in again.
error-CARD-002 = What was received is not a card’s answer.
    .action = Go back to the service you wanted to use and sign in again.
error-CARD-003 = This sign-in began in another browser.
    .action = If you did not begin it yourself, tell your IT department: somebody may have tried to sign in in your place. Otherwise start again here.
error-CARD-004 = A newer request has taken the place of this one.
    .action = Go back to the sign-in page and go on with the window that was opened last.
error-CARD-005 = This sign-in is complete already.
    .action = Go back to the service you wanted to use.
error-CARD-006 = The card’s answer came too late.
    .action = The request is good for two minutes only. Start again.
error-CARD-007 = This sign-in began too long ago.
    .action = Go back to the service you wanted to use and sign in again.
error-CARD-008 = The card’s answer is not for a sign-in in a browser.
    .action = Go back to the service you wanted to use and sign in again.
error-CARD-009 = The card did not answer the request of this sign-in.
    .action = Go back to the service you wanted to use and sign in again.
error-CARD-010 = This workstation is not known to your establishment.
    .action = Ask your IT department to enrol this workstation.
error-CARD-011 = This workstation is no longer allowed.
    .action = Ask your IT department to enrol it again.
error-CARD-012 = This workstation waits for the approval of your IT department.
    .action = Ask them to approve it, then start again.
error-CARD-013 = The answer is not signed by this workstation.
    .action = Start again. If it happens again, ask your IT department to enrol this workstation anew.
error-CARD-014 = The Sceau agent of this workstation is too old.
    .action = Ask your IT department to update it.
error-CARD-015 = The card was read without its PIN.
    .action = Put the card into a contact reader and start again.
error-CARD-016 = The card’s answer is meant for another server.
    .action = Start again. If it happens again, ask your IT department to enrol this workstation anew.
error-CARD-017 = This server cannot check any card at the moment.
    .action = Tell your IT department: no certification authority is installed on it.
error-CARD-018 = The service you wanted to use is no longer allowed.
    .action = Ask your IT department.
error-CARD-019 = Something went wrong on our side.
    .action = Try again in a moment. If it happens again, give the reference below to your IT department.
error-CARD-020 = You cancelled.
    .action = Nothing was sent. You can start again whenever you want.
error-CARD-021 = This service cannot be used from this workstation.
    .action = Use a workstation of an area where it is allowed, or ask your IT department.
error-CARD-022 = This service needs a workstation that notices when your card is taken out.
    .action = Sign in at a workstation that has the Sceau agent, or ask your IT department to update it here.
error-CARD-030 = The enrolment of this workstation has ended.
    .action = Restart the workstation, then try again. If it happens again, tell your IT department.
error-CARD-040 = This certificate has been used, or another has taken its place.
    .action = Start again from the sign-in page.
error-CARD-041 = Your answer came too late.
    .action = It is good for two minutes only. Start again.
error-CARD-042 = Your browser presented no certificate.
    .action = Insert your card, wait a few seconds and start again, choosing its certificate. If there is nothing to choose from, close all windows of the browser first.
error-CARD-043 = The card’s certificate is not accepted from this network.
    .action = Sign in by other means, or ask your IT department.
error-CARD-044 = This service wants you to enter your code now.
    .action = The card’s certificate does not show that. Go back to the sign-in page and use the button of the CPS card.
error-CARD-045 = This address opens from the sign-in page only.
    .action = Go back to the service you wanted to use and start signing in again.
error-CARD-050 = Your badge alone is not enough here.
    .action = Sign in with your card and your PIN.
error-CARD-051 = You entered your PIN too long ago.
    .action = Sign in with your card and your PIN. Afterwards your badge is enough again.
error-CARD-052 = Too many badges were refused.
    .action = Sign in with your card and your PIN.
error-CARD-053 = This service wants you to enter your PIN.
    .action = Sign in with your card and your PIN.
error-CARD-054 = This workstation has been moved to another area since you signed in.
    .action = Sign in with your card and your PIN.
error-CARD-055 = This workstation cannot read your badge at the moment.
    .action = Sign in with your card and your PIN. If it happens again, tell your IT department.
error-CARD-056 = No badge was presented.
    .action = Start again, then lay your card on the contactless reader within a minute and leave it there for a moment.
error-CARD-057 = This badge is another person’s.
    .action = If you are not the person who signed in in this browser, sign in with your own card and PIN.
error-CARD-058 = This is not the card that you signed in with.
    .action = Present the same card, or sign in with this one and its PIN.
error-CARD-059 = The card did not answer without contact.
    .action = Lay it on the contactless reader, not into the slot.
error-CARD-060 = The answer comes from another workstation.
    .action = Start again at the workstation where you are. If it happens again, tell your IT department.
error-CARD-061 = This card was suspended or reported lost in the establishment.
    .action = Sign in with another means, or ask at the desk.
error-CARD-062 = This request waits for no answer any more.
    .action = It has expired, or somebody has answered it. Begin again in the program that asked you.
error-CARD-063 = This request was for another workstation.
    .action = Begin again in the program, with the card in this workstation.
error-CARD-064 = This program may not ask for your card at this workstation.
    .action = Use a workstation meant for it, or ask the IT department.
error-CARD-065 = This is not the number that the program shows.
    .action = The request is cancelled. Begin again in the program; if you had asked for nothing, tell the IT department.
error-CARD-066 = The card answered before you typed the number.
    .action = Begin again in the program and tell the IT department.
error-CARD-067 = This card is another person’s.
    .action = Insert the card of the person who is asked, then begin again in the program.
error-CARD-068 = This is not the card that was asked.
    .action = Leave the same card in the reader, then begin again in the program.

## Errors of the sandbox

error-SANDBOX-001 = This choice cannot be used.
    .action = Go back to the sign-in page and use its form.
error-SANDBOX-002 = This sign-in no longer waits for an answer in this browser.
    .action = Start again from the application.

## Errors of sessions

error-SESSION-001 = The session that is open in this browser is locked.
    .action = If it is yours, put your card back and enter your PIN: the services you had open are still there. If you sign in with another card, that session will be closed.
error-SESSION-002 = Your session is not enough for this service.
    .action = It needs a workstation that notices when your card is taken out: sign in with your card and its PIN at one that has the Sceau agent.

## Errors of the database

error-STORE-001 = The server is very busy.
    .action = Try again in a moment.
error-STORE-002 = The server cannot record anything any more.
    .action = Tell your IT department. Nothing was lost.
error-OIDC-001 = The service you wanted to use is not known here.
    .action = Go back to that service and try again. If it happens again, tell your IT department.
error-OIDC-002 = The service you wanted to use is no longer allowed.
    .action = Please ask your IT department.
error-OIDC-003 = The service’s request is ambiguous.
    .action = Go back to the service you wanted to use and try again. If it happens again, tell its support.
error-OIDC-004 = The service did not say where to take you after signing in.
    .action = Go back to the service you wanted to use and try again. If it happens again, tell its support.
error-OIDC-005 = The service asks to take you to an address that is not its own.
    .action = Do not go on if you came here by a link in a message. Otherwise, tell your IT department.
error-OIDC-017 = Your session has just ended.
    .action = Go back to the service you wanted to use and sign in again.
error-OIDC-018 = This sign-in has already ended.
    .action = Go back to the service you wanted to use: you may be signed in there already.
error-OIDC-019 = This sign-in began before the server was updated.
    .action = Go back to the service you wanted to use and try again.
error-OIDC-021 = This service cannot be used from this workstation.
    .action = Use a workstation of an area where it is allowed, or ask your IT department.
error-OIDC-023 = This sign-in has ended, or took too long to begin.
    .action = Go back to the service you wanted to use and try again.
error-OIDC-102 = The service’s request is not valid.
    .action = Go back to the service you wanted to use and try again. If it happens again, tell its support.
error-OIDC-104 = The service’s request is not valid.
    .action = Go back to the service you wanted to use and try again. If it happens again, tell its support.
error-OIDC-105 = The answer cannot be encrypted for this service.
    .action = Tell your IT department.
error-OIDC-170 = A request of the site { $host } cannot be served.
    .action = Nobody here has vouched for this site: go there only if it is the one you wanted to use.
error-OIDC-167 = The service’s request is not valid.
    .action = Go back to the service you wanted to use and try again. If it happens again, tell its support.
error-OIDC-163 = The service’s request is not valid.
    .action = Go back to the service you wanted to use and try again. If it happens again, tell its support.
error-OIDC-164 = The service’s request is not valid.
    .action = Go back to the service you wanted to use and try again. If it happens again, tell its support.
error-OIDC-030 = The request to sign out is not valid: you are not signed out.
    .title = Signing out did not succeed
    .action = Close your browser to sign out, and tell your IT department if it happens again.
error-OIDC-031 = The service asks to take you to an address that is not its own: you are not signed out.
    .title = Signing out did not succeed
    .action = Close your browser to sign out, and tell your IT department if it happens again.

## Security keys

key-lead = Plug in your key, or have your phone ready, then:
key-start = Sign in with a security key
key-identifier = Or type your national identifier first
key-identifier-hint = Only needed if your key is not offered by itself.
key-waiting = Follow your browser: touch the key, place your finger, or type its code.
key-done = You are signed in.
again-level = You are signed in, and this service asks for a higher level of security.
again-none = This service asks for a higher level of security, and none of the means that you have used here reaches it. It takes a CPS card and its code; without one, ask at the desk.
again-moment = You are signed in, and this service asks you to confirm who you are.
touch-title = One more proof
touch-lead = This service asks for more than your badge.
touch-start = Touch my security key
touch-hint = Plug in your key and touch it: you are asked for neither your card nor its code.
touch-waiting = Touch your key.
touch-done = Confirmed.
key-no-script = Security keys need JavaScript. Turn it on, or sign in with your card.

## My means of identification

means-title = My means of identification
means-none = No means is registered here yet.
means-current = Used for this session
means-suspended = Suspended
means-expired = To be renewed
means-issued = Registered on { $from }, good until { $until }
means-seen = Used here since { $from }
means-unused = Not used yet
means-used = Last used on { $at }
means-used-where = Last used on { $at }, { $place }
means-rename = Rename
means-label = Name of this means
means-label-example = Key at the office
means-save = Save
means-renew = Renew
means-renew-hint = Its time is nearly over. Touch it to keep it.
means-renew-start = Renew with the key
means-renewed = It is renewed.
means-revoke = Remove
means-lost = Report as lost
means-lost-hint = This card will no longer sign in here, and the sessions opened with it will be closed. If you find it, the desk can restore it.
means-revoke-hint = This means will no longer sign in, and the sessions opened with it will be closed. There is no way back.
means-add = Add a security key
means-add-hint = A USB or contactless key, or your phone: your browser will guide you. The key will ask for a code or your finger.
means-second-factor-add = Second factor only
means-second-factor-hint = For a key without a code or fingerprint. It does not sign you in: it completes your badge.
means-add-start = Register the key
means-added = The key is registered.
means-confirm = Confirm who I am
means-sessions = See where I am signed in
contact-title = Security notices
contact-none = Give a mail address: you will be told there when a means is added or removed, or when somebody signs in as you in a new browser.
contact-at = Your notices are sent to { $address }.
contact-change = Choose the address
contact-address = Mail address
contact-send = Get a code
contact-sent = A code of six digits is sent to { $address }. It is good for 10 minutes.
contact-code = Code that you received
contact-verify = Verify the address
contact-confirm = Confirm who I am to change the address

## Mails that tell a person what happened

mail-card = A CPS card
mail-key = A security key
mail-second-factor = A security key (second factor only)
mail-phone = A phone
mail-issued-subject = A means of identification was added
mail-issued = { $means } has just been added to your means of identification.
mail-renewed-subject = A means of identification was renewed
mail-renewed = { $means } has just been renewed among your means of identification.
mail-suspended-subject = A means of identification was suspended
mail-suspended = { $means } has just been suspended: it signs in no more for now, and the sessions opened with it are closed.
mail-resumed-subject = A means of identification can be used again
mail-resumed = { $means } that was suspended signs in for you again.
mail-revoked-subject = A means of identification was removed
mail-revoked = { $means } has just been removed from your means of identification: it signs in no more, and the sessions opened with it are closed.
mail-browser-subject = Sign-in in a new browser
mail-browser = Somebody has just signed in as you in a browser that you had not used before.
mail-disowned-subject = A sign-in request that you refused
mail-disowned = You have just said on your phone that a sign-in request was not yours. Nobody was signed in. For 24 hours no request made with your identifier reaches your phone; your card, your keys and scanning a code go on working.
mail-disowned-yours = If that was a mistake, there is nothing to do.
mail-disowned-not-yours = If you refused nothing, somebody else holds your phone: tell { $contact } at once.
mail-alarm-subject = “It was not me”: a sign-in request was refused
mail-alarm = Somebody of the establishment has just said on their phone that a sign-in request in their name was not theirs. Nobody was signed in, and nobody can ask them by their identifier for 24 hours.
mail-alarm-who = The audit trail says who it is, and for which service: event { $event }.
mail-alarm-most = At most ten messages an hour, and one a day for each person; the audit trail has them all (sceau audit list --code PHONE-026).
mail-role-subject = Your rights have changed
mail-role-granted = You have just been given a role: { $role ->
    [desk] the desk for means of identification
    [admin] administration
    [auditor] looking at the audit trail
   *[other] { $role }
}.
mail-role-revoked = A role has just been taken from you: { $role ->
    [desk] the desk for means of identification
    [admin] administration
    [auditor] looking at the audit trail
   *[other] { $role }
}.
mail-address-subject = Address of your security notices
mail-address-changed = Your security notices will no longer be sent to this address: it was replaced or removed.
mail-address-set = Your security notices will be sent to this address, which an administrator has entered.
mail-code-subject = Verification of your address
mail-code = Your verification code: { $code }
    It is good for 10 minutes, on the page where you asked for it.
mail-code-unasked = If you asked for nothing, ignore this message: without this code, nothing changes.
mail-when = Date: { $at }.
mail-when-where = Date: { $at }. Place: { $place }.
mail-yours = If this was you, there is nothing to do.
mail-not-yours = If this was not you, tell { $contact } at once.
mail-means = To see your means of identification, open this address in your browser:
    { $address }
mail-trial-subject = Test of sending
mail-trial = This message shows that Sceau can send mail.
mail-automatic = Automatic message. We will never ask you for a code or a password by mail.
home-means = My means of identification

## Errors of security keys and means

error-KEY-001 = The answer of the key cannot be read.
    .action = Try again. If it happens again, try another browser.
error-KEY-002 = This request to the key no longer waits for an answer.
    .action = Try again: each request is good once, for five minutes.
error-KEY-003 = The key was used for another site.
    .action = Check the address of this page. When in doubt, tell your IT department.
error-KEY-004 = The key was used inside a page of another site.
    .action = Open the sign-in page in a tab of its own. When in doubt, tell your IT department.
error-KEY-005 = The key signed for another address.
    .action = Check the address of this page. When in doubt, tell your IT department.
error-KEY-006 = The key did not verify that it is you.
    .action = Give this key a code or your finger in the settings of your browser, then try again.
error-KEY-007 = The signature is not that of this key.
    .action = Try again. If it happens again, tell your IT department.
error-KEY-008 = There may be a copy of this key: it has just been suspended.
    .action = Tell your IT department, and sign in with another means.
error-KEY-009 = This key is not registered here.
    .action = Choose another key, or sign in with another means and register this one.
error-KEY-010 = This key is not that of the person who was named.
    .action = Correct the identifier, or leave it empty.
error-KEY-011 = This key was suspended or removed.
    .action = Sign in with another means, or ask at the desk.
error-KEY-012 = This key has to be renewed: its time is over.
    .action = Sign in with another means, then register it again.
error-KEY-013 = This key is registered already.
    .action = Use it to sign in, or choose another one.
error-KEY-014 = You have as many keys as one may have.
    .action = Remove one that you no longer use.
error-KEY-015 = This key does not prove which model it is.
    .action = Allow your browser to tell make and model, or use a key that the establishment hands out.
error-KEY-016 = This model of key is not accepted here.
    .action = Use a key that the establishment hands out.
error-KEY-017 = A passkey that is shared between devices is not enough here.
    .action = Use a key that does not leave its device.
error-KEY-018 = The algorithm of this key is not accepted.
    .action = Use another key.
error-KEY-019 = The server could not work with the answer of the key.
    .action = Try again. If it happens again, tell your IT department.
error-KEY-020 = This sign-in is over, or began in another browser.
    .action = Go back to the service that you wanted to use and start again.
error-KEY-021 = The maker of this key is not trusted here.
    .action = Use a key that the establishment hands out.
error-KEY-022 = The proof of this key’s model is out of its time.
    .action = Use another key, or tell the help desk.
error-KEY-023 = This key is not of the model that it says it is.
    .action = Do not use it; give it to the help desk.
error-KEY-024 = This key does not prove well enough which model it is.
    .action = Use a key that the establishment hands out, or tell the help desk.
error-KEY-025 = This model of key has a known weakness and is no longer accepted.
    .action = Give it back to the help desk, which hands out another.
error-KEY-026 = Security keys cannot be used at the moment.
    .action = Sign in by another means, and tell the help desk.
error-KEY-042 = Your key can add nothing to this sign-in.
    .action = Sign in with your card and its code.
error-KEY-043 = Keys without a code or fingerprint are not taken here.
    .action = Use a key with a code or a fingerprint, or ask the help desk.
error-KEY-044 = This key does not reach the level of security that this service insists on.
    .action = Sign in with your card and its code.
error-KEY-030 = This browser cannot use security keys.
    .action = Use a recent browser, or sign in with your card.
error-KEY-031 = Nothing was done: the request was cancelled, nobody answered in time, or the key does not fit.
    .action = Try again when you are ready. A key fits if it is of type FIDO2 and asks for a code or a fingerprint; to sign in, it also has to be registered here.
error-KEY-032 = The browser refuses to use a key at this address.
    .action = Check the address of this page. If it is right, tell your IT department.
error-MAIL-010 = This mail address is not valid.
    .action = Type one address, such as first.last@hospital.fr.
error-MAIL-011 = This is not the right code.
    .action = Type the six digits of the last message that you received. After five errors, another code has to be asked for.
error-MAIL-012 = This code is no longer valid.
    .action = Ask for another code.
error-MAIL-013 = Too many codes were asked for.
    .action = Wait for an hour, then try again.
error-MEANS-001 = You are not signed in in this browser.
    .title = This could not be done
    .action = Sign in, then try again.
error-MEANS-002 = You signed in more than five minutes ago.
    .title = This could not be done
    .action = Confirm who you are before you change your means of identification.
error-MEANS-003 = This sign-in is not enough to change your means of identification.
    .title = This could not be done
    .action = Sign in with your card and its code, or with your security key.
error-MEANS-004 = A means that was added less than 24 hours ago cannot change others.
    .title = This could not be done
    .action = Sign in with an older one, wait until tomorrow, or ask at the desk.
error-MEANS-005 = The means of this session is no longer registered.
    .title = This could not be done
    .action = Sign in again.
error-MEANS-006 = This means is not one of yours, or is gone.
    .title = This could not be done
    .action = Load the page again.

## The desk

desk-title = Desk for means of identification
desk-lead = Look for the person who stands before you.
desk-find = Family name, given name or national identifier
desk-find-hint = Three characters at least; either the family name or the given name. Your search is recorded.
desk-find-start = Search
desk-found = People found
desk-found-none = Nobody matches this search.
desk-found-more = More people match: be more precise.
desk-unlinked = No link with the establishment
desk-disabled = Account disabled
desk-gets-nothing = This person cannot be given anything here. You can only suspend or revoke their means.
desk-means = Their means of identification
desk-handed-out = Handed out at the desk on { $at }
desk-hand-out = Confirm that the person has it
desk-resume = Let it sign in again and give it back
desk-suspend = Suspend
desk-suspend-hint = This means will not sign in until it is given back to the person at the desk. The sessions opened with it will be closed.
desk-suspend-confirm = Suspend this means
desk-revoke = Revoke
desk-revoke-confirm = Revoke this means
desk-reason = Reason
desk-reason-lost = Lost
desk-reason-stolen = Stolen
desk-reason-damaged = Damaged
desk-reason-given-back = Given back
desk-reason-doubt = Doubt about its use
desk-phone = Pair a phone
desk-phone-hint = The person holds their phone and points it at the code that will appear. The phone shows six digits: they read them to you, and you type them here.
desk-check = Identity check
desk-check-hint = The person stands before you. Look at the original of a valid document with its photograph, and compare the name. Write down no number and make no copy.
desk-document = Document shown
desk-document-identity-card = National identity card
desk-document-passport = Passport
desk-document-residence-permit = Residence permit
desk-document-driving-licence = Driving licence
desk-document-staff-card = Card of the establishment with photograph
desk-check-confirm = I have checked their identity
desk-checked = Identity checked
desk-checked-hint = Good for ten minutes and one operation.
desk-key = Hand out a security key
desk-key-hint = Plug the key into this computer. The person chooses the code and touches the key; you must not see the code.
desk-other = Look for somebody else

## Refusals of the desk

error-DESK-001 = You have no access to the desk.
    .title = No access
    .action = If you are to work there, ask your IT department for the role.
error-DESK-002 = You signed in more than fifteen minutes ago.
    .title = This could not be done
    .action = Sign in to the desk again.
error-DESK-003 = This sign-in is not enough to work at the desk.
    .title = No access
    .action = Sign in with your card and its PIN, or with a security key of the level that is asked for.
error-DESK-004 = The means of this sign-in is not registered, or was less than 24 hours ago.
    .title = No access
    .action = Sign in with your card, or with an older means.
error-DESK-005 = You cannot change your own means at the desk.
    .title = This could not be done
    .action = Go to “My means of identification”, or ask a colleague of the desk.
error-DESK-006 = This person is not known here.
    .title = This could not be done
    .action = Look for them again.
error-DESK-007 = This person cannot be given anything: the account is disabled, or has no link with the establishment.
    .title = This could not be done
    .action = Ask human resources, then your IT department.
error-DESK-008 = No identity check of this person is under way.
    .title = This could not be done
    .action = Check their identity: a check is good for ten minutes and one operation.
error-DESK-009 = This means has changed in the meantime.
    .title = This could not be done
    .action = Go back to the person and look at their means.
error-DESK-010 = This request is incomplete.
    .title = This could not be done
    .action = Go back and try again; a search has 3 to 100 characters.
error-DESK-011 = Security keys are turned off here.
    .title = This could not be done
    .action = Ask your IT department.
error-DESK-012 = Phones are turned off here.
    .title = This could not be done
    .action = Ask your IT department.
error-MEANS-007 = This workstation is shared: your means of identification are not changed here.
    .title = This could not be done
    .action = Use a workstation that is not shared, or ask at the desk.
error-MEANS-008 = This means cannot be renewed now.
    .action = A key is renewed in the three months before its end. After that, ask at the desk.
error-MEANS-009 = This sign-in does not suffice to renew that key.
    .action = Sign in with another means that is at least as safe as the key, or ask at the desk.

# The phone.
phone-pair = Add a phone
phone-pair-hint = Your phone will answer for you when you sign in at a workstation. It needs a fingerprint, a face or an unlock code.
phone-pair-start = Show the code
phone-pair-scan = Point the camera of the phone at this code. It is good for 90 seconds.
phone-pair-code = Code to scan with your phone
phone-pair-taken = A phone has read the code. Go on there.
phone-pair-digits = The six digits that your phone shows
phone-pair-confirm = Confirm
phone-scan-lead = Open the Sceau application on your phone, touch “Scan the code” and point it at this code.
phone-scan-code = Code to scan with the application of the phone
phone-waiting = Go on with your phone
    .detail = This page goes on by itself.
phone-number-lead = Type this number on your phone, in the Sceau application:
phone-number-hint = Nothing appears on the phone? Open the application. Check the identifier too; outside the establishment, this page must have been used before with your card or your key.
phone-other = I cannot scan
phone-number-start = Show a number
phone-again = Start again
phone-title = Sceau on this phone
phone-unsupported = This browser cannot keep a passkey. Use the latest version of Safari, Chrome or Firefox.
phone-unpaired = This phone does not belong to your account yet.
phone-unpaired-how = At a workstation, sign in, open “My means of identification”, then “Add a phone”, and point the camera of this phone at the code.
phone-pair-whose = Add this phone to the account of:
phone-pair-only = Go on only if this is your account and you have just asked for this code yourself.
phone-label = Name of this phone (optional)
phone-label-example = Phone of the ward
phone-pair-do = Add this phone
phone-digits-lead = Type these digits at the workstation that showed the code. At the desk, read them to whoever receives you:
phone-digits-hint = Nobody should ask you for them elsewhere.
phone-nothing = Nothing waits.
phone-scan = Scan the code
phone-push = Be told
phone-push-off = This phone can tell you when a request waits for you, even while the application is closed.
phone-push-do = Tell me
phone-push-on = This phone tells you when a request waits for you.
phone-push-end = Tell me no more
phone-push-denied = Notifications are refused for this site. You can allow them in the settings of the browser; otherwise open the application: it shows what waits for you.
phone-push-absent = This browser cannot tell you. On an iPhone, add the application to the home screen first; otherwise open it: it shows what waits for you.
phone-push-failed = This browser could not subscribe to notifications. Open the application: it shows what waits for you.
phone-push-title = Sceau
phone-push-body = A request to identify yourself waits for you.
phone-camera = Point it at the code of the sign-in page.
phone-question = Is it you who signs in to:
phone-place = From
phone-inside = Network of the establishment
phone-outside = Outside the establishment
phone-anywhere = Place unknown: only the other screen knows
phone-browser = Browser
phone-program = A program, without a browser
phone-new-browser = New browser
phone-type = The number on the other screen
phone-approve = It is me, approve
phone-refuse = Refuse
phone-not-me = It is not me
phone-approved = Done
    .detail = The other screen goes on by itself.
phone-refused = Refused
    .detail = Nobody was signed in.
phone-guarded = Refused, and your account is guarded
    .detail = Nobody was signed in, and nobody can send you a request for 24 hours. Scanning a code still works. Tell the security officer.
phone-home = Back to what waits
phone-working = One moment…
phone-cancelled = Nothing was sent
    .detail = The verification was interrupted or took too long. Try again.
phone-no-camera = The camera is not available
    .detail = Allow this page to use the camera, or ask for a number on the other screen.
error-PHONE-001 = The message of the phone was not understood.
    .action = Reload the application and start again.
error-PHONE-002 = This message does not come from this phone.
    .action = If the phone is yours, add it anew.
error-PHONE-003 = The clock of this phone is wrong.
    .action = Set the time automatically, then start again.
error-PHONE-004 = This phone is not paired any more.
    .action = Add it anew from “My means of identification”.
error-PHONE-005 = This phone may not answer any more.
    .action = It is suspended, revoked or too old. Ask the desk, or add a phone.
error-PHONE-006 = This code is not good any more.
    .action = Ask for another code at the workstation.
error-PHONE-007 = These are not the digits of the phone.
    .action = Read them on your phone and try again.
error-PHONE-008 = Too many tries: nothing was added.
    .action = Ask for another code.
error-PHONE-009 = This phone is paired already.
    .action = Remove it from your means of identification first.
error-PHONE-010 = The phone did not verify that it was you.
    .action = Turn on unlocking by fingerprint, face or code, then start again.
error-PHONE-011 = The passkey of the phone was not accepted.
    .action = Start again. If it goes on, add the phone anew.
error-PHONE-012 = This request does not wait any more.
    .action = Start again on the other screen.
error-PHONE-013 = This code is too old, or no code of a sign-in page.
    .action = Point at the code that the sign-in page shows now.
error-PHONE-014 = That was not the number: the request is over.
    .action = Start again on the other screen. If you asked for nothing, tell the security officer.
error-PHONE-015 = The answer is not for what was shown.
    .action = Start again. If it goes on, tell the security officer.
error-PHONE-016 = You sign in on the phone itself.
    .action = Choose “Security key” on the sign-in page: the passkey of this phone is enough.
error-PHONE-017 = This browser is not known, and outside the establishment.
    .action = Sign in there with your card or your security key first.
error-PHONE-018 = The request was refused on the phone.
    .action = If that was a mistake, start again.
error-PHONE-019 = Nobody answered on the phone.
    .action = Open the application on the phone, then start again.
error-PHONE-020 = This sign-in is over, or was begun in another browser.
    .action = Start again from the service.
error-PHONE-021 = This service asks for more than a phone.
    .action = Sign in with your card or your security key.
error-PHONE-022 = Phones are not told here.
    .action = Open the application: it shows what waits for you.
error-PHONE-023 = The subscription of this browser was not accepted.
    .action = Close the application, open it again and try anew. Meanwhile it shows what waits for you.
error-PHONE-024 = The notification service of this browser is not allowed here.
    .action = Use Safari, Chrome, Edge or Firefox, or open the application: it shows what waits for you.
error-PHONE-040 = Too many pages are waiting for a phone at the moment.
    .action = Try again in a quarter of a minute, or sign in with your card or your security key.
error-PHONE-027 = This phone cannot be paired for this person.
    .action = Somebody of the desk has signed in with it. The person who is here has to use their own phone.
error-UPSTREAM-001 = This link was opened from another site.
    .action = Start again from the sign-in page.
error-UPSTREAM-002 = This identity provider is not known here.
    .action = Start again from the service.
error-UPSTREAM-003 = This sign-in is over, or was begun in another browser.
    .action = Start again from the service.
error-UPSTREAM-004 = This answer was used before, or is not that of this sign-in.
    .action = Start again from the service.
error-UPSTREAM-005 = The answer came too late.
    .action = Start again, or choose another way to sign in.
error-UPSTREAM-006 = This answer arrives in another browser than the sign-in began in.
    .action = Start again from the service and stay in the same browser. If you asked for nothing, close this page.
error-UPSTREAM-007 = The identity provider does not answer.
    .action = Choose another way to sign in, or try again in a few minutes.
error-UPSTREAM-008 = The answer of the identity provider is not acceptable.
    .action = Choose another way to sign in and tell the help desk.
error-UPSTREAM-009 = The sign-in was refused or given up at the identity provider.
    .action = Start again, or choose another way to sign in.
error-UPSTREAM-010 = This service asks you to sign in anew, which the identity provider did not do.
    .action = Choose another way to sign in.
error-UPSTREAM-011 = The identity provider does not give your national identifier.
    .action = Choose another way to sign in and tell the help desk.
error-UPSTREAM-012 = This identity is linked to nobody in this establishment yet.
    .action = Choose another way to sign in.
error-UPSTREAM-013 = The identity provider and this establishment do not agree on who you are.
    .action = Choose another way to sign in and tell the help desk.
error-UPSTREAM-014 = This service asks for a level that this sign-in does not reach.
    .action = Sign in with your card or your security key.
