# Les textes des pages. Une espace insécable précède : ; ! ? et suit « ; l’apostrophe est typographique.

## Partout

cancel = Annuler
go-on = Continuer
sign-out = Se déconnecter
back = Retour
back-to = Revenir à { $name }
other-language = English version
try-again = Réessayer

## Page de connexion

sign-in-title = Connectez-vous
sign-in-towards = pour accéder à { $name }
sign-in-expected = Le service attend { $name }.
means-all = Moyens de connexion
means-card = Carte CPS
means-key = Clé de sécurité
means-passkey = Clé d’accès synchronisée
means-second-factor = Clé de sécurité (second facteur seulement)
means-touch = Toucher ma clé
means-phone = Téléphone

provider-lead = Vous allez sur la page de { $name }, puis vous revenez ici.
provider-start = Continuer avec { $name }
provider-away = { $name } ne répond pas en ce moment.
    .detail = Les autres moyens de connexion de cette page fonctionnent.

card-insert = Insérez votre carte dans le lecteur.
card-start = Se connecter avec la carte CPS
card-start-again = Rouvrir la fenêtre de la carte
card-hint = Une fenêtre de ce poste vous demandera votre code. Ce site ne le voit jamais.
card-opening = Ouverture de la fenêtre de la carte…
card-waiting = Continuez dans la fenêtre de la carte.
    .detail = Cette page avance d’elle-même dès que c’est terminé.
card-cancelled = Vous avez annulé.
    .detail = Rien n’a été transmis. Vous pouvez recommencer quand vous voulez.
card-done = C’est fait, vous êtes connecté.
badge-start = Continuer avec mon badge
badge-hint = Posez ensuite votre carte sur le lecteur sans contact. Votre code ne vous sera pas demandé.
badge-locked = Vous pouvez aussi la rouvrir avec votre badge : choisissez « Continuer avec mon badge ».
badge-asking = Un instant…
badge-waiting = Posez votre carte sur le lecteur sans contact.
    .detail = Cette page avance d’elle-même dès que votre carte est lue.
card-same-tab = Essayer dans cet onglet
card-help = Comment cela se passe-t-il ?
card-help-program = Un programme de ce poste, l’agent Sceau, lit votre carte. Aucune donnée de santé n’est échangée.
card-help-window = Sa fenêtre montre votre nom, le service demandé et le nombre d’essais restants avant de demander votre code.
card-help-code = Votre code n’est saisi que sur le lecteur ou sur ce poste, et n’en sort jamais.

## Bac à sable

sandbox-banner = Bac à sable : aucune identité n’est vraie
persons-title = Personnes de test
persons-who = Qui se connecte ?
persons-means = Moyen simulé
persons-mobile = e-CPS (téléphone)
persons-approve = Approuver
persons-refuse = Refuser
person-doctor = Médecin, deux lieux d’exercice
person-pharmacist = Pharmacien
person-nurse = Infirmière
person-student = Étudiant en médecine
person-employee = Employé d’établissement (identifiant de type 3)
person-psi = Identité PSI, sans profession

## Retour de la carte

bounce-title = Un instant…
bounce-detail = Votre carte a répondu, la connexion se termine.
form-post-detail = Vous retournez au service que vous vouliez utiliser.
finish-done = Vous êtes connecté
finish-cancelled = Connexion annulée
finish-close = Vous pouvez fermer cette fenêtre.

## Certificat de la carte

card-certificate = Se connecter avec le certificat de la carte (composants de l’ANS)
holder-title = Êtes-vous { $name } ?
holder-detail = C’est le nom inscrit dans le certificat de la carte présentée, qui va vous connecter à { $name }.
holder-profession = Profession
holder-id = Identifiant national
holder-go-on = Oui, continuer
holder-warning = Ne continuez pas si cette carte n’est pas la vôtre, ou si vous n’avez pas demandé cette connexion.
holder-not-me = Ce n’est pas moi

## Sessions

home-title = Vos connexions
home-sessions = Vos connexions en cours
home-current = Ce navigateur
home-place-unknown = Poste non identifié
home-end = Fermer cette connexion
home-end-all = Fermer toutes mes connexions
home-allowed = Ce que vous avez autorisé
home-allowed-since = depuis le { $day }/{ $month }/{ $year }
home-allowed-offline = Ce service peut agir en votre nom en ce moment, même si vous fermez vos connexions.
home-allowed-present = Ce service ne peut pas agir en votre nom quand vous n’êtes pas connecté(e).
home-withdraw = Retirer cette autorisation
home-withdraw-detail = Le service à qui vous retirez une autorisation perd aussitôt ses accès. Il vous la redemandera si vous l’ouvrez de nouveau.
nobody-title = Vous n’êtes pas connecté(e)
nobody-detail = Pour vous connecter, ouvrez l’un des services de l’établissement. Cette page montrera ensuite où vous êtes connecté(e).
since-minutes = { $n ->
        [0] à l’instant
        [one] depuis { $n } minute
       *[other] depuis { $n } minutes
    }
since-hours = { $n ->
        [one] depuis { $n } heure
       *[other] depuis { $n } heures
    }
confirm-title = Est-ce bien vous ?
confirm-name = Vous êtes connecté(e) en tant que { $name }
confirm-detail = Plusieurs personnes utilisent ce poste. Vérifiez que c’est bien votre nom avant de continuer.
confirm-not-me = Ce n’est pas moi
consent-title = Autorisez-vous ce service ?
consent-unvouched = « { $name } » s’est inscrit lui-même : votre établissement ne s’en porte pas garant. Refusez si vous ne l’attendiez pas.
consent-asks = { $name } demande l’autorisation de :
consent-openid = savoir qui vous êtes, par votre identifiant national
consent-profile = connaître votre nom
consent-professional = connaître votre exercice : profession, spécialités, lieux et fonctions
consent-offline = agir en votre nom alors que vous n’êtes plus connecté(e)
consent-claim = connaître cette information : { $name }
consent-resource = accéder pour vous à { $name }
consent-detail = Demande précise
consent-allow = Autoriser
consent-refuse = Ne pas autoriser
sign-out-title = Se déconnecter ?
sign-out-asked = { $name } demande votre déconnexion.
sign-out-detail = Tous les services ouverts avec cette connexion seront fermés.
sign-out-stay = Rester connecté
signed-out-title = Vous êtes déconnecté
signed-out-detail = Les services que vous aviez ouverts ont été prévenus.
signed-out-untold = Ces services n’ont pas encore pu être prévenus que vous êtes parti(e) :
    .action = Fermez-les vous-même, ou fermez le navigateur. Nous continuons d’essayer de les prévenir.
signed-out-card = N’oubliez pas votre carte dans le lecteur.

## Pages de l’agent

agent-name = Agent Sceau
agent-place = sur ce poste
agent-confirm-title = Votre carte CPS
agent-choose-title = Laquelle est votre carte ?
agent-choose-towards = Plusieurs cartes sont insérées. Choisissez la vôtre pour vous connecter à { $name }
agent-another-card = Ce n’est pas ma carte
agent-signs-in = se connecte à { $name }
agent-tries-left = { $n ->
        [one] Il reste { $n } essai avant le blocage du code.
       *[other] Il reste { $n } essais avant le blocage du code.
    }
agent-last-try = Attention, c’est votre dernier essai.
    .detail = Si le code est faux, la carte se bloque. En cas de doute, annulez et retrouvez votre code d’abord.
agent-last-try-agree = J’ai compris et je connais mon code.
agent-pin-label = Code de votre carte
agent-pin-pad = Vous saisirez votre code sur les touches du lecteur.
agent-pin-window = Vous saisirez votre code dans une fenêtre de ce poste.
agent-pin-page = Votre code va à la carte et ne quitte pas ce poste.
agent-sign = Se connecter
agent-start = Saisir mon code
agent-server = Demandé par
agent-reader = Lecteur
agent-back-to = Retour à { $name }.
agent-wait-card = Insérez votre carte
    .detail = La suite vient d’elle-même.
agent-wait-reading = Lecture de la carte…
    .detail = Laissez-la dans le lecteur.
agent-wait-pad = Saisissez votre code sur le lecteur
    .detail = Validez avec la touche verte.
agent-wait-window = Saisissez votre code dans la fenêtre qui s’ouvre
    .detail = Elle peut se trouver derrière celle-ci.
agent-wait-signing = Votre carte signe…
    .detail = Laissez-la dans le lecteur.

## Services de démonstration

demo-kind = Service de démonstration
demo-welcome = Bienvenue
    .detail = Ce service est prévu pour Pro Santé Connect. Ici, c’est Sceau qui vous identifie.
demo-sign-in = Se connecter
demo-signed-in = Vous êtes connecté
demo-place = Lieu d’exercice
demo-id = Identifiant national
demo-level = Niveau
demo-other = Ouvrir { $name }
demo-received = Ce que le service a reçu
demo-refused = La connexion n’a pas abouti.

## Erreurs

error-title = La connexion n’a pas abouti
error-code = Code
error-operation = Référence
error-unknown = Une erreur inattendue s’est produite.
    .action = Réessayez. Si cela se répète, donnez le code et la référence ci-dessous à votre service informatique.

error-WEB-001 = Cette demande ne vient pas de cette page.
    .title = Une erreur s’est produite
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-WEB-002 = Trop de demandes en peu de temps.
    .title = Une erreur s’est produite
    .action = Attendez une minute, puis réessayez.
error-WEB-003 = Cette page n’existe pas.
    .title = Page introuvable
    .action = Vérifiez l’adresse, ou revenez au service que vous vouliez utiliser.
error-WEB-004 = Cette page ne s’ouvre pas de cette façon.
    .title = Une erreur s’est produite
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-WEB-005 = Une erreur inattendue s’est produite de notre côté.
    .title = Une erreur s’est produite
    .action = Réessayez dans un instant. Si cela se répète, donnez la référence ci-dessous à votre service informatique.
error-WEB-007 = Le serveur a mis trop de temps à répondre.
    .title = Une erreur s’est produite
    .action = Réessayez dans un instant.
error-WEB-008 = Cette carte a été refusée trop souvent depuis ce poste.
    .action = Patientez quelques minutes, puis recommencez. Une carte en règle et son code restent acceptés.
error-WEB-010 = Ce poste n’a pas répondu.
    .action = L’agent Sceau, le programme qui lit votre carte, ne semble pas démarré. Démarrez-le, puis réessayez. S’il n’est pas installé sur ce poste, demandez-le à votre service informatique.
error-WEB-011 = La carte n’a pas encore été lue.
    .action = Si votre navigateur a affiché « connexion impossible », l’agent Sceau n’est pas démarré sur ce poste : démarrez-le, puis réessayez. Votre demande est toujours valable.
error-WEB-012 = Le serveur est injoignable.
    .action = Vérifiez la connexion de ce poste au réseau, puis réessayez.
error-WEB-013 = Cette page a été ouverte il y a trop longtemps.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.

## Fenêtre de saisie du code

agent-question-description = { $relying_party } demande à vous identifier, par { $server } ({ $origin }).
    Carte de { $holder }. Cette demande vient d’un autre logiciel. Si vous l’attendiez, saisissez le numéro à { $digits } chiffres qu’il affiche ; sinon, refusez.
agent-question-prompt = Numéro affiché :
agent-question-next = Continuer
agent-question-refuse = Refuser
agent-window-description = { $relying_party } demande votre carte par { $server } ({ $origin }).
    { $holder }
agent-window-prompt = Code de la carte :

## Erreurs de l’agent

error-AGENT-001 = Cette demande vient d’un autre utilisateur de cet ordinateur.
    .action = Recommencez depuis votre propre session. Si vous y êtes, prévenez votre service informatique.
error-AGENT-002 = Cette demande n’était pas adressée à l’agent de ce poste.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-003 = L’agent Sceau fonctionne, mais rien ne lui est demandé ici.
    .action = Revenez au service que vous vouliez utiliser et connectez-vous avec votre carte.
error-AGENT-004 = La demande reçue est mal formée.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-005 = La demande reçue est trop volumineuse.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-006 = La demande a mis trop de temps à arriver.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-007 = La demande ne vient pas d’une page que vous avez ouverte.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-008 = Le navigateur n’a pas dit quel site demande votre carte.
    .action = Revenez à la page de connexion et recommencez. Si cela se répète, prévenez votre service informatique : un équipement modifie sans doute les pages.
error-AGENT-009 = Un site inconnu de ce poste a demandé votre carte.
    .action = Ne recommencez pas depuis ce site. S’il s’agit du vôtre, demandez à votre service informatique d’inscrire ce poste.
error-AGENT-010 = La demande n’est pas signée par le serveur de votre établissement.
    .action = Revenez à la page de connexion et recommencez. Si cela se répète, ce poste doit être inscrit à nouveau.
error-AGENT-011 = Ce qui a été reçu n’est pas une demande de carte.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-012 = Cette demande n’est pas comprise par l’agent de ce poste.
    .action = Demandez à votre service informatique de mettre l’agent Sceau à jour.
error-AGENT-013 = La demande a été faite par un autre site que celui qui l’envoie.
    .action = Ne recommencez pas depuis ce site et prévenez votre service informatique.
error-AGENT-014 = Cette demande de carte ne peut pas passer par le navigateur.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-015 = L’horloge de ce poste et celle du serveur diffèrent de plus de dix minutes.
    .action = Demandez à votre service informatique de mettre ce poste à l’heure.
error-AGENT-016 = Cette demande a déjà reçu une réponse, ou a été annulée.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-017 = Cette page de l’agent n’est plus valable.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-018 = Ce formulaire ne vient pas de la page de l’agent.
    .action = Revenez à la page de connexion et recommencez.
error-AGENT-019 = Il n’y a rien à cette adresse.
    .action = Revenez au service que vous vouliez utiliser.
error-AGENT-020 = Votre carte répond déjà à une autre demande.
    .action = Terminez-la ou fermez la fenêtre du code, puis réessayez.
error-AGENT-021 = La fenêtre de saisie du code ne s’ouvre pas.
    .action = Prévenez votre service informatique : le programme « pinentry » manque ou ne trouve pas l’écran.
error-AGENT-022 = Le code n’a pas été saisi à temps.
    .action = Réessayez quand vous êtes prêt.
error-AGENT-023 = Ce qui a été saisi ne peut pas être un code de carte.
    .action = Votre carte n’a rien reçu et aucun essai n’est perdu. Saisissez les chiffres de votre code.
error-AGENT-024 = Le code de votre carte est bloqué.
    .action = Débloquez-le avec le code de déblocage reçu avec la carte, ou adressez-vous à votre service informatique.
error-AGENT-025 = L’agent de ce poste a rencontré une erreur.
    .action = Réessayez. Si cela se répète, donnez le code ci-dessous à votre service informatique.
error-AGENT-050 = Ce poste attend l’accord de votre service informatique.
    .action = Demandez-leur de l’approuver, puis réessayez. Rien n’est à refaire sur ce poste.
error-AGENT-051 = Ce poste n’est plus autorisé.
    .action = Demandez à votre service informatique de l’inscrire à nouveau.
error-AGENT-060 = Ce n’est pas un numéro de la bonne longueur.
    .action = Saisissez le numéro que l’autre logiciel affiche, en entier et sans espace.

## Personnes

error-PERSON-001 = Votre numéro n’est pas connu ici.
    .action = Il ne figure pas dans l’annuaire de votre établissement. Adressez-vous à votre service informatique, avec le code ci-dessous.
error-PERSON-002 = Vous n’êtes pas rattaché à cet établissement.
    .action = Votre identité est reconnue, mais votre accès doit être ouvert par l’établissement. Adressez-vous à votre service informatique ou au service du personnel.
error-PERSON-003 = Votre accès a été désactivé.
    .action = Adressez-vous à votre service informatique.

## Certificat de la carte

error-CERT-001 = Le certificat de votre carte est illisible.
    .action = Retirez votre carte, remettez-la, puis réessayez. Si cela se reproduit, donnez le code et la référence ci-dessous à votre service informatique.
error-CERT-002 = Votre carte a expiré.
    .action = Demandez une nouvelle carte à l’Agence du Numérique en Santé. D’ici là, connectez-vous par un autre moyen si votre établissement en propose un.
error-CERT-003 = Votre carte n’est pas encore valable.
    .action = Réessayez à partir de la date de début de validité de la carte. Si cette date est passée, prévenez votre service informatique.
error-CERT-004 = Cette carte n’a pas été délivrée par une autorité reconnue par votre établissement.
    .action = Vérifiez que vous avez inséré votre carte professionnelle. Si c’est bien elle, donnez le code et la référence ci-dessous à votre service informatique.
error-CERT-005 = Votre carte a été révoquée.
    .action = Elle n’est plus utilisable. Si vous l’aviez déclarée perdue, servez-vous de la nouvelle. Sinon, contactez l’Agence du Numérique en Santé.
error-CERT-006 = Ce certificat ne permet pas de se connecter.
    .action = Réessayez. Si cela se reproduit, donnez le code et la référence ci-dessous à votre service informatique.
error-CERT-007 = Ce qui a été présenté n’est pas une carte professionnelle.
    .action = Insérez votre carte CPS, CPF, CPE ou CPA, puis réessayez. Un certificat enregistré dans un fichier n’est pas accepté.
error-CERT-008 = Cette carte est une carte de test.
    .action = Insérez votre carte personnelle, puis réessayez.
error-CERT-009 = Le certificat de cette carte n’est plus assez sûr.
    .action = Demandez une nouvelle carte à l’Agence du Numérique en Santé.
error-CERT-010 = Nous ne pouvons pas vérifier si votre carte est toujours valable.
    .action = Votre carte n’est pas en cause. Prévenez votre service informatique en lui donnant le code ci-dessous, et connectez-vous par un autre moyen si votre établissement en propose un.
error-CERT-011 = Nous ne pouvons pas vérifier si votre carte est toujours valable.
    .action = Votre carte n’est pas en cause. Prévenez votre service informatique en lui donnant le code ci-dessous, et connectez-vous par un autre moyen si votre établissement en propose un.
error-CERT-014 = Le certificat de votre carte n’est pas de ceux que votre établissement accepte.
    .action = Donnez le code et la référence ci-dessous à votre service informatique.
error-CERT-015 = Ce type de carte n’est pas accepté ici.
    .action = Demandez à votre service informatique quelles cartes le sont.
error-CERT-016 = L’identité inscrite dans cette carte n’est pas reconnue.
    .action = Donnez le code et la référence ci-dessous à votre service informatique.
error-CERT-017 = La réponse de la carte ne correspond pas à cette connexion.
    .action = Revenez au service que vous vouliez utiliser et recommencez, en laissant la carte dans le lecteur.
error-CERT-030 = Cette carte ne porte le nom de personne.
    .action = Utilisez votre carte nominative : une carte de service ne permet pas de se connecter.
error-CERT-031 = C’est le côté sans contact de la carte qui a répondu.
    .action = Insérez la carte dans un lecteur à fente, puis recommencez : votre code est nécessaire.
error-CERT-032 = Ce n’est pas le côté sans contact de la carte qui a répondu.
    .action = Posez la carte sur le lecteur sans contact, puis recommencez.

## Lecteur et carte

error-READER-001 = Le service de cartes de cet ordinateur ne fonctionne pas.
    .action = Redémarrez l’ordinateur, puis réessayez. Si cela se répète, prévenez votre service informatique : le service PC/SC est arrêté.
error-READER-002 = Aucun lecteur de carte n’est branché.
    .action = Branchez le lecteur sur ce poste, attendez quelques secondes, puis réessayez.
error-READER-003 = Il n’y a pas de carte dans le lecteur.
    .action = Insérez votre carte, puce vers le lecteur, puis réessayez.
error-READER-004 = La carte insérée n’est pas une carte de professionnel de santé.
    .action = Insérez votre carte CPS, CPF, CPE ou CPA, puis réessayez.
error-READER-005 = Cette génération de carte n’est pas encore reconnue.
    .action = Utilisez une autre carte si vous en avez une, et prévenez votre service informatique : l’agent Sceau doit être mis à jour.
error-READER-006 = La carte a été retirée avant la fin.
    .action = Remettez votre carte, laissez-la dans le lecteur, puis réessayez.
error-READER-007 = La carte n’est plus celle qui était affichée.
    .action = Aucun code n’a été envoyé à cette carte. Laissez la vôtre dans le lecteur, puis réessayez.
error-READER-008 = Un autre programme utilise votre carte.
    .action = Attendez qu’il ait terminé ou fermez-le, puis réessayez.
error-READER-009 = Le code est faux.
    .action = Vérifiez-le avant de recommencer : après trois erreurs de suite, la carte se bloque.
error-READER-010 = Il ne reste qu’un essai.
    .action = Confirmez que vous connaissez votre code avant de l’utiliser, ou annulez.
error-READER-011 = Le code de votre carte est bloqué.
    .action = Débloquez-le avec le code de déblocage reçu avec la carte, ou adressez-vous à votre service informatique.
error-READER-012 = Le certificat de votre carte ne peut pas être lu.
    .action = Retirez la carte, remettez-la, puis réessayez. Si cela se répète, prévenez votre service informatique.
error-READER-013 = La signature de la carte n’est pas valable.
    .action = Réessayez. Si cela se répète, prévenez votre service informatique : la carte est sans doute défectueuse.
error-READER-014 = Ce code n’a pas le bon nombre de chiffres.
    .action = Votre carte n’a rien reçu et aucun essai n’est perdu. Saisissez les chiffres de votre code.
error-READER-015 = La carte ne répond pas.
    .action = Vérifiez qu’elle est dans le bon sens et que sa puce est propre, puis réessayez.
error-READER-016 = La carte a refusé une opération.
    .action = Retirez la carte, remettez-la, puis réessayez. Si cela se répète, donnez le code ci-dessous à votre service informatique.
error-READER-017 = Le lecteur a été débranché.
    .action = Rebranchez-le, attendez quelques secondes, puis réessayez.
error-READER-018 = La liaison avec la carte s’est coupée pendant l’envoi du code.
    .action = Il se peut qu’un essai ait été compté : regardez combien il en reste avant de recommencer.
error-READER-019 = Plusieurs cartes sont insérées.
    .action = Ne laissez que la vôtre, puis réessayez.
error-READER-020 = La liaison avec la carte s’est coupée.
    .action = Retirez la carte, remettez-la, puis réessayez.
error-READER-021 = Le service de cartes de cet ordinateur a signalé une erreur.
    .action = Réessayez. Si cela se répète, donnez le code ci-dessous à votre service informatique.
error-READER-022 = Votre carte est posée sur un lecteur sans contact.
    .action = Insérez-la dans un lecteur à fente, puis réessayez : votre code est nécessaire.
error-READER-023 = Votre carte est insérée dans un lecteur.
    .action = Posez-la sur le lecteur sans contact.
error-READER-024 = Votre carte ne dit pas comment lui présenter votre code.
    .action = Aucun essai n’est perdu. Prévenez votre service informatique : l’agent Sceau doit être mis à jour.
error-READER-025 = Le code n’a pas été saisi à temps sur le lecteur.
    .action = Aucun essai n’est perdu. Réessayez quand vous êtes prêt.
error-READER-026 = La saisie a été annulée sur le lecteur.
    .action = Aucun essai n’est perdu. Réessayez, ou revenez à la page de connexion.
error-READER-027 = Un autre programme garde votre carte pour lui seul.
    .action = Fermez le logiciel qui l’utilise, puis réessayez. Si vous ne savez pas lequel, redémarrez l’ordinateur ou prévenez votre service informatique.
error-READER-028 = Le clavier du lecteur ne répond plus.
    .action = Aucun essai n’est perdu. Débranchez le lecteur, rebranchez-le, puis réessayez.
error-READER-029 = La lecture de la carte n’aboutit pas.
    .action = Retirez la carte. Si cela se reproduit, elle est défectueuse : faites-la remplacer.

## Erreurs de la connexion par carte

error-CARD-001 = La réponse de la carte a été envoyée par un autre site.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-CARD-002 = La réponse reçue n’est pas celle d’une carte.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-CARD-003 = Cette connexion a commencé dans un autre navigateur.
    .action = Si vous ne l’avez pas commencée vous-même, prévenez votre service informatique : quelqu’un a peut-être essayé de se connecter à votre place. Sinon, recommencez ici.
error-CARD-004 = Une demande plus récente a remplacé celle-ci.
    .action = Revenez à la page de connexion et continuez avec la dernière fenêtre ouverte.
error-CARD-005 = Cette connexion est déjà terminée.
    .action = Revenez au service que vous vouliez utiliser.
error-CARD-006 = La réponse de la carte est arrivée trop tard.
    .action = La demande n’est valable que deux minutes. Recommencez.
error-CARD-007 = Cette connexion a commencé il y a trop longtemps.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-CARD-008 = La réponse de la carte ne concerne pas une connexion par navigateur.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-CARD-009 = La carte n’a pas répondu à la demande de cette connexion.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-CARD-010 = Ce poste n’est pas connu de votre établissement.
    .action = Demandez à votre service informatique d’inscrire ce poste.
error-CARD-011 = Ce poste n’est plus autorisé.
    .action = Demandez à votre service informatique de l’inscrire à nouveau.
error-CARD-012 = Ce poste attend l’accord de votre service informatique.
    .action = Demandez-leur de l’approuver, puis recommencez.
error-CARD-013 = La réponse n’est pas signée par ce poste.
    .action = Recommencez. Si cela se répète, demandez à votre service informatique d’inscrire ce poste à nouveau.
error-CARD-014 = L’agent Sceau de ce poste est trop ancien.
    .action = Demandez à votre service informatique de le mettre à jour.
error-CARD-015 = La carte a été lue sans son code.
    .action = Insérez la carte dans un lecteur à contact et recommencez.
error-CARD-016 = La réponse de la carte est destinée à un autre serveur.
    .action = Recommencez. Si cela se répète, demandez à votre service informatique d’inscrire ce poste à nouveau.
error-CARD-017 = Ce serveur ne peut vérifier aucune carte pour le moment.
    .action = Prévenez votre service informatique : aucune autorité de certification n’y est installée.
error-CARD-018 = Le service que vous vouliez utiliser n’est plus autorisé.
    .action = Adressez-vous à votre service informatique.
error-CARD-019 = Une erreur s’est produite de notre côté.
    .action = Réessayez dans un instant. Si cela se répète, donnez la référence ci-dessous à votre service informatique.
error-CARD-020 = Vous avez annulé.
    .action = Rien n’a été transmis. Vous pouvez recommencer quand vous voulez.
error-CARD-021 = Ce service ne peut pas être utilisé depuis ce poste.
    .action = Utilisez un poste d’un secteur autorisé, ou adressez-vous à votre service informatique.
error-CARD-022 = Ce service demande un poste qui remarque le retrait de votre carte.
    .action = Connectez-vous sur un poste où l’agent Sceau est installé, ou demandez à votre service informatique de mettre celui-ci à jour.
error-CARD-030 = L’inscription de ce poste a pris fin.
    .action = Redémarrez le poste, puis réessayez. Si cela se répète, prévenez votre service informatique.
error-CARD-040 = Ce certificat a déjà servi, ou un autre l’a remplacé.
    .action = Recommencez depuis la page de connexion.
error-CARD-041 = Votre réponse est arrivée trop tard.
    .action = Elle n’est valable que deux minutes. Recommencez.
error-CARD-042 = Votre navigateur n’a présenté aucun certificat.
    .action = Insérez votre carte, attendez quelques secondes et recommencez en choisissant son certificat. Si aucun choix n’est proposé, fermez toutes les fenêtres du navigateur d’abord.
error-CARD-043 = Le certificat de la carte n’est pas accepté depuis ce réseau.
    .action = Connectez-vous par un autre moyen, ou adressez-vous à votre service informatique.
error-CARD-044 = Ce service demande que vous saisissiez votre code maintenant.
    .action = Le certificat de la carte ne le montre pas. Revenez à la page de connexion et utilisez le bouton de la carte CPS.
error-CARD-045 = Cette adresse ne s’ouvre que depuis la page de connexion.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-CARD-050 = Votre badge seul ne suffit pas ici.
    .action = Connectez-vous avec votre carte et votre code.
error-CARD-051 = Vous avez saisi votre code il y a trop longtemps.
    .action = Connectez-vous avec votre carte et votre code. Votre badge suffira de nouveau ensuite.
error-CARD-052 = Trop de badges ont été refusés.
    .action = Connectez-vous avec votre carte et votre code.
error-CARD-053 = Ce service demande que vous saisissiez votre code.
    .action = Connectez-vous avec votre carte et votre code.
error-CARD-054 = Ce poste a changé de secteur depuis votre connexion.
    .action = Connectez-vous avec votre carte et votre code.
error-CARD-055 = Ce poste ne peut pas lire votre badge pour le moment.
    .action = Connectez-vous avec votre carte et votre code. Si cela se répète, prévenez votre service informatique.
error-CARD-056 = Aucun badge n’a été présenté.
    .action = Recommencez, puis posez votre carte sur le lecteur sans contact dans la minute, et laissez-l’y un instant.
error-CARD-057 = Ce badge est celui d’une autre personne.
    .action = Si vous n’êtes pas la personne qui s’est connectée sur ce navigateur, connectez-vous avec votre propre carte et votre code.
error-CARD-058 = Ce n’est pas la carte avec laquelle vous vous êtes connecté.
    .action = Présentez la même carte, ou connectez-vous avec celle-ci et votre code.
error-CARD-059 = La carte n’a pas répondu sans contact.
    .action = Posez-la sur le lecteur sans contact, et non dans le lecteur à fente.
error-CARD-060 = La réponse vient d’un autre poste.
    .action = Recommencez sur le poste où vous êtes. Si cela se répète, prévenez votre service informatique.
error-CARD-061 = Cette carte a été suspendue ou déclarée perdue dans l’établissement.
    .action = Connectez-vous avec un autre moyen, ou adressez-vous à l’accueil.
error-CARD-062 = Cette demande n’attend plus de réponse.
    .action = Elle a expiré, ou quelqu’un y a déjà répondu. Recommencez depuis le logiciel qui vous l’a demandée.
error-CARD-063 = Cette demande était pour un autre poste.
    .action = Recommencez depuis le logiciel, carte insérée dans ce poste.
error-CARD-064 = Ce logiciel ne peut pas demander votre carte sur ce poste.
    .action = Utilisez un poste prévu pour lui, ou adressez-vous au service informatique.
error-CARD-065 = Ce n’est pas le numéro affiché par le logiciel.
    .action = La demande est annulée. Recommencez depuis le logiciel ; si vous n’aviez rien demandé, prévenez le service informatique.
error-CARD-066 = La carte a répondu avant que vous ayez saisi le numéro.
    .action = Recommencez depuis le logiciel et prévenez le service informatique.
error-CARD-067 = Cette carte est celle d’une autre personne.
    .action = Insérez la carte de la personne à qui la demande est adressée, puis recommencez depuis le logiciel.
error-CARD-068 = Ce n’est pas la carte à laquelle la demande était adressée.
    .action = Laissez la même carte dans le lecteur, puis recommencez depuis le logiciel.

## Erreurs du bac à sable

error-SANDBOX-001 = Ce choix n’est pas utilisable.
    .action = Revenez à la page de connexion et utilisez son formulaire.
error-SANDBOX-002 = Cette connexion n’attend plus de réponse dans ce navigateur.
    .action = Recommencez depuis l’application.

## Erreurs des sessions

error-SESSION-001 = La session ouverte sur ce navigateur est verrouillée.
    .action = Si c’est la vôtre, remettez votre carte et saisissez votre code : vous retrouverez vos services ouverts. Si vous vous connectez avec une autre carte, cette session sera fermée.
error-SESSION-002 = Votre session ne suffit pas pour ce service.
    .action = Il demande un poste qui remarque le retrait de votre carte : connectez-vous avec votre carte et son code sur un poste où l’agent Sceau est installé.

## Erreurs de la base de données

error-STORE-001 = Le serveur est très occupé.
    .action = Réessayez dans un instant.
error-STORE-002 = Le serveur ne peut plus rien enregistrer.
    .action = Prévenez votre service informatique. Rien n’a été perdu.
error-OIDC-001 = Le service que vous vouliez utiliser n’est pas connu ici.
    .action = Revenez à ce service et recommencez. Si cela se répète, prévenez votre service informatique.
error-OIDC-002 = Le service que vous vouliez utiliser n’est plus autorisé.
    .action = Adressez-vous à votre service informatique.
error-OIDC-003 = La demande du service est ambiguë.
    .action = Revenez au service que vous vouliez utiliser et recommencez. Si cela se répète, prévenez son support.
error-OIDC-004 = Le service n’a pas dit où vous ramener après la connexion.
    .action = Revenez au service que vous vouliez utiliser et recommencez. Si cela se répète, prévenez son support.
error-OIDC-005 = Le service demande à vous ramener à une adresse qui n’est pas la sienne.
    .action = Ne continuez pas si vous êtes arrivé ici par un lien reçu par messagerie. Sinon, prévenez votre service informatique.
error-OIDC-017 = Votre session vient de se terminer.
    .action = Revenez au service que vous vouliez utiliser et connectez-vous de nouveau.
error-OIDC-018 = Cette connexion est déjà terminée.
    .action = Revenez au service que vous vouliez utiliser : vous y êtes peut-être déjà connecté.
error-OIDC-019 = Cette connexion a commencé avant une mise à jour du serveur.
    .action = Revenez au service que vous vouliez utiliser et recommencez.
error-OIDC-021 = Ce service ne peut pas être utilisé depuis ce poste.
    .action = Utilisez un poste d’un secteur autorisé, ou adressez-vous à votre service informatique.
error-OIDC-023 = Cette connexion est terminée, ou a trop tardé à commencer.
    .action = Retournez au service que vous vouliez utiliser et recommencez.
error-OIDC-102 = La demande de ce service n’est pas valable.
    .action = Retournez au service que vous vouliez utiliser et recommencez. Si cela se répète, prévenez son assistance.
error-OIDC-104 = La demande de ce service n’est pas valable.
    .action = Retournez au service que vous vouliez utiliser et recommencez. Si cela se répète, prévenez son assistance.
error-OIDC-105 = La réponse ne peut pas être chiffrée pour ce service.
    .action = Prévenez votre service informatique.
error-OIDC-170 = Une demande du site { $host } ne peut pas aboutir.
    .action = Personne ici n’a vérifié ce site : n’y allez que si c’est bien lui que vous vouliez utiliser.
error-OIDC-167 = La demande de ce service n’est pas valable.
    .action = Retournez au service que vous vouliez utiliser et recommencez. Si cela se répète, prévenez son assistance.
error-OIDC-163 = La demande de ce service n’est pas valable.
    .action = Retournez au service que vous vouliez utiliser et recommencez. Si cela se répète, prévenez son assistance.
error-OIDC-164 = La demande de ce service n’est pas valable.
    .action = Retournez au service que vous vouliez utiliser et recommencez. Si cela se répète, prévenez son assistance.
error-OIDC-030 = La demande de déconnexion n’est pas valable : vous n’êtes pas déconnecté.
    .title = La déconnexion n’a pas abouti
    .action = Fermez votre navigateur pour vous déconnecter, et prévenez votre service informatique si cela se répète.
error-OIDC-031 = Le service demande à vous ramener à une adresse qui n’est pas la sienne : vous n’êtes pas déconnecté.
    .title = La déconnexion n’a pas abouti
    .action = Fermez votre navigateur pour vous déconnecter, et prévenez votre service informatique si cela se répète.

## Clés de sécurité

key-lead = Branchez votre clé, ou préparez votre téléphone, puis :
key-start = Se connecter avec une clé de sécurité
key-identifier = Ou indiquez d’abord votre identifiant national
key-identifier-hint = Utile seulement si votre clé ne se propose pas d’elle-même.
key-waiting = Suivez les indications de votre navigateur : touchez la clé, posez le doigt ou saisissez son code.
key-done = Connexion réussie.
again-level = Vous êtes connecté(e), et ce service demande un niveau de sécurité plus élevé.
again-none = Ce service demande un niveau de sécurité plus élevé, et aucun des moyens que vous avez utilisés ici ne l’atteint. Il faut une carte CPS et son code ; sinon, adressez-vous à l’accueil.
again-moment = Vous êtes connecté(e), et ce service demande que vous confirmiez votre identité.
touch-title = Encore une preuve
touch-lead = Ce service demande plus que votre badge.
touch-start = Toucher ma clé de sécurité
touch-hint = Branchez votre clé et touchez-la : ni votre carte ni son code ne vous sont demandés.
touch-waiting = Touchez votre clé.
touch-done = C’est confirmé.
key-no-script = Les clés de sécurité demandent JavaScript. Activez-le, ou connectez-vous avec votre carte.

## Mes moyens d’identification

means-title = Mes moyens d’identification
means-none = Aucun moyen n’est encore enregistré ici.
means-current = Session en cours
means-suspended = Suspendu
means-expired = À renouveler
means-issued = Ajout le { $from }, fin de validité le { $until }
means-seen = Première utilisation ici le { $from }
means-unused = Aucune utilisation pour le moment
means-used = Dernière utilisation le { $at }
means-used-where = Dernière utilisation le { $at }, { $place }
means-rename = Renommer
means-label = Nom de ce moyen
means-label-example = Clé du bureau
means-save = Enregistrer
means-renew = Renouveler
means-renew-hint = Ce moyen arrive à son terme. Touchez-le pour le garder.
means-renew-start = Renouveler avec la clé
means-renewed = Ce moyen est renouvelé.
means-revoke = Supprimer
means-lost = Déclarer perdue
means-lost-hint = Cette carte ne permettra plus de se connecter ici, et les sessions ouvertes avec elle seront fermées. Si vous la retrouvez, l’accueil pourra la rétablir.
means-revoke-hint = Ce moyen ne permettra plus de se connecter, et les sessions ouvertes avec lui seront fermées. On ne peut pas revenir en arrière.
means-add = Ajouter une clé de sécurité
means-add-hint = Une clé USB ou sans contact, ou votre téléphone : votre navigateur vous guidera. La clé vous demandera un code ou votre empreinte.
means-second-factor-add = Second facteur seulement
means-second-factor-hint = Pour une clé sans code ni empreinte. Elle ne suffit pas pour se connecter : elle complète votre badge.
means-add-start = Enregistrer la clé
means-added = La clé est enregistrée.
means-confirm = Confirmer mon identité
means-sessions = Voir mes connexions en cours
contact-title = Avis de sécurité
contact-none = Indiquez une adresse de courriel : nous vous y préviendrons si un moyen est ajouté ou supprimé, ou si quelqu’un se connecte à votre nom dans un nouveau navigateur.
contact-at = Vos avis sont envoyés à { $address }.
contact-change = Choisir l’adresse
contact-address = Adresse de courriel
contact-send = Recevoir un code
contact-sent = Un code à six chiffres est envoyé à { $address }. Il est valable 10 minutes.
contact-code = Code reçu
contact-verify = Valider l’adresse
contact-confirm = Confirmer mon identité pour changer l’adresse

## Mails that tell a person what happened

mail-card = une carte CPS
mail-key = une clé de sécurité
mail-second-factor = une clé de sécurité (second facteur seulement)
mail-phone = un téléphone
mail-issued-subject = Un moyen d’identification a été ajouté
mail-issued = Un moyen d’identification vient d’être ajouté aux vôtres : { $means }.
mail-renewed-subject = Un moyen d’identification a été renouvelé
mail-renewed = Un de vos moyens d’identification vient d’être renouvelé : { $means }.
mail-suspended-subject = Un moyen d’identification a été suspendu
mail-suspended = Un de vos moyens d’identification vient d’être suspendu : { $means }. Il ne permet plus de se connecter pour le moment, et les sessions ouvertes avec lui sont fermées.
mail-resumed-subject = Un moyen d’identification est de nouveau utilisable
mail-resumed = Un de vos moyens d’identification, qui était suspendu, permet de nouveau de se connecter à votre nom : { $means }.
mail-revoked-subject = Un moyen d’identification a été supprimé
mail-revoked = Un de vos moyens d’identification vient d’être supprimé : { $means }. Il ne permet plus de se connecter, et les sessions ouvertes avec lui sont fermées.
mail-browser-subject = Connexion dans un nouveau navigateur
mail-browser = Une connexion à votre nom vient d’avoir lieu dans un navigateur que vous n’aviez pas encore utilisé.
mail-disowned-subject = Une demande de connexion que vous avez refusée
mail-disowned = Vous venez d’indiquer sur votre téléphone qu’une demande de connexion ne venait pas de vous. Personne n’a été connecté. Pendant 24 heures, aucune demande faite avec votre identifiant n’arrivera sur votre téléphone ; votre carte, vos clés et la lecture d’un code continuent de fonctionner.
mail-disowned-yours = Si c’était une erreur, vous n’avez rien à faire.
mail-disowned-not-yours = Si vous n’avez rien refusé, quelqu’un d’autre tient votre téléphone : prévenez tout de suite { $contact }.
mail-alarm-subject = « Ce n’est pas moi » : une demande de connexion refusée
mail-alarm = Une personne de l’établissement vient d’indiquer sur son téléphone qu’une demande de connexion à son nom ne venait pas d’elle. Personne n’a été connecté, et plus personne ne peut l’interroger par son identifiant pendant 24 heures.
mail-alarm-who = L’audit dit de qui il s’agit et pour quel service : événement { $event }.
mail-alarm-most = Dix messages par heure au plus, et un par personne et par jour ; l’audit les contient tous (sceau audit list --code PHONE-026).
mail-role-subject = Vos droits ont changé
mail-role-granted = Un rôle vient de vous être donné : { $role ->
    [desk] le guichet des moyens d’identification
    [admin] l’administration
    [auditor] la consultation de l’audit
   *[other] { $role }
}.
mail-role-revoked = Un rôle vient de vous être retiré : { $role ->
    [desk] le guichet des moyens d’identification
    [admin] l’administration
    [auditor] la consultation de l’audit
   *[other] { $role }
}.
mail-address-subject = Adresse de vos avis de sécurité
mail-address-changed = Vos avis de sécurité ne seront plus envoyés à cette adresse : elle a été remplacée ou retirée.
mail-address-set = Vos avis de sécurité seront envoyés à cette adresse, qu’un administrateur a enregistrée.
mail-code-subject = Vérification de votre adresse
mail-code = Votre code de vérification : { $code }
    Il est valable 10 minutes, sur la page où vous l’avez demandé.
mail-code-unasked = Si vous n’avez rien demandé, ignorez ce message : sans ce code, rien ne change.
mail-when = Date : { $at }.
mail-when-where = Date : { $at }. Lieu : { $place }.
mail-yours = Si cela vient de vous, vous n’avez rien à faire.
mail-not-yours = Si cela ne vient pas de vous, prévenez tout de suite { $contact }.
mail-means = Pour voir vos moyens d’identification, ouvrez cette adresse dans votre navigateur :
    { $address }
mail-trial-subject = Essai d’envoi
mail-trial = Ce message montre que Sceau peut envoyer des courriels.
mail-automatic = Message automatique. Nous ne vous demanderons jamais un code ou un mot de passe par courriel.
home-means = Mes moyens d’identification

## Erreurs des clés de sécurité et des moyens

error-KEY-001 = La réponse de la clé n’est pas lisible.
    .action = Recommencez. Si cela se répète, essayez un autre navigateur.
error-KEY-002 = Cette demande à la clé n’attend plus de réponse.
    .action = Recommencez : chaque demande ne sert qu’une fois, pendant cinq minutes.
error-KEY-003 = La clé a été utilisée pour un autre site.
    .action = Vérifiez l’adresse de cette page. En cas de doute, prévenez votre service informatique.
error-KEY-004 = La clé a été utilisée à l’intérieur d’une page d’un autre site.
    .action = Ouvrez la page de connexion dans son propre onglet. En cas de doute, prévenez votre service informatique.
error-KEY-005 = La clé a signé pour une autre adresse.
    .action = Vérifiez l’adresse de cette page. En cas de doute, prévenez votre service informatique.
error-KEY-006 = La clé n’a pas vérifié que c’est bien vous.
    .action = Donnez un code ou votre empreinte à cette clé dans les réglages de votre navigateur, puis recommencez.
error-KEY-007 = La signature n’est pas celle de cette clé.
    .action = Recommencez. Si cela se répète, prévenez votre service informatique.
error-KEY-008 = Une copie de cette clé existe peut-être : elle vient d’être suspendue.
    .action = Prévenez votre service informatique, et connectez-vous avec un autre moyen.
error-KEY-009 = Cette clé n’est pas enregistrée ici.
    .action = Choisissez une autre clé, ou connectez-vous avec un autre moyen et enregistrez celle-ci.
error-KEY-010 = Cette clé n’est pas celle de la personne indiquée.
    .action = Corrigez l’identifiant, ou laissez-le vide.
error-KEY-011 = Cette clé a été suspendue ou supprimée.
    .action = Connectez-vous avec un autre moyen, ou adressez-vous à l’accueil.
error-KEY-012 = Cette clé est à renouveler : sa durée de validité est passée.
    .action = Connectez-vous avec un autre moyen, puis enregistrez-la de nouveau.
error-KEY-013 = Cette clé est déjà enregistrée.
    .action = Utilisez-la pour vous connecter, ou choisissez-en une autre.
error-KEY-014 = Vous avez autant de clés qu’il est permis.
    .action = Supprimez-en une que vous n’utilisez plus.
error-KEY-015 = Cette clé ne prouve pas de quel modèle elle est.
    .action = Autorisez votre navigateur à communiquer la marque et le modèle, ou utilisez une clé fournie par l’établissement.
error-KEY-016 = Ce modèle de clé n’est pas accepté ici.
    .action = Utilisez une clé fournie par l’établissement.
error-KEY-017 = Une clé d’accès synchronisée entre appareils ne suffit pas ici.
    .action = Utilisez une clé qui ne quitte pas son appareil.
error-KEY-018 = L’algorithme de cette clé n’est pas accepté.
    .action = Utilisez une autre clé.
error-KEY-019 = Le serveur n’a pas pu traiter la réponse de la clé.
    .action = Recommencez. Si cela se répète, prévenez votre service informatique.
error-KEY-020 = Cette connexion est terminée, ou a commencé dans un autre navigateur.
    .action = Revenez au service que vous vouliez utiliser et recommencez.
error-KEY-021 = Le fabricant de cette clé n’est pas reconnu ici.
    .action = Utilisez une clé fournie par l’établissement.
error-KEY-022 = La preuve du modèle de cette clé n’est pas valable à cette date.
    .action = Utilisez une autre clé, ou prévenez le service informatique informatique.
error-KEY-023 = Cette clé n’est pas du modèle qu’elle annonce.
    .action = Ne l’utilisez pas et remettez-la au support informatique.
error-KEY-024 = Cette clé ne prouve pas assez bien de quel modèle elle est.
    .action = Utilisez une clé fournie par l’établissement, ou prévenez le service informatique informatique.
error-KEY-025 = Ce modèle de clé présente une faiblesse connue et n’est plus accepté.
    .action = Rendez-la au support informatique, qui vous en remettra une autre.
error-KEY-026 = Les clés de sécurité ne peuvent pas être utilisées pour le moment.
    .action = Connectez-vous avec un autre moyen et prévenez le service informatique informatique.
error-KEY-042 = Votre clé ne peut rien ajouter à cette connexion.
    .action = Connectez-vous avec votre carte et son code.
error-KEY-043 = Les clés sans code ni empreinte ne sont pas acceptées ici.
    .action = Utilisez une clé avec un code ou une empreinte, ou adressez-vous au support informatique.
error-KEY-044 = Cette clé n’atteint pas le niveau de sécurité que ce service exige.
    .action = Connectez-vous avec votre carte et son code.
error-KEY-030 = Ce navigateur ne sait pas utiliser de clé de sécurité.
    .action = Utilisez un navigateur récent, ou connectez-vous avec votre carte.
error-KEY-031 = Rien n’a été fait : la demande a été annulée, personne n’a répondu à temps, ou la clé ne convient pas.
    .action = Recommencez quand vous êtes prêt. Une clé convient si elle est de type FIDO2 et demande un code ou une empreinte ; pour vous connecter, il faut aussi l’avoir enregistrée ici.
error-KEY-032 = Le navigateur refuse d’utiliser une clé à cette adresse.
    .action = Vérifiez l’adresse de cette page. Si elle est bonne, prévenez votre service informatique.
error-MAIL-010 = Cette adresse de courriel n’est pas valable.
    .action = Saisissez une seule adresse, comme prenom.nom@hopital.fr.
error-MAIL-011 = Ce n’est pas le bon code.
    .action = Saisissez les six chiffres du dernier message reçu. Après cinq erreurs, il faut demander un autre code.
error-MAIL-012 = Ce code n’est plus valable.
    .action = Demandez un autre code.
error-MAIL-013 = Trop de codes ont été demandés.
    .action = Attendez une heure, puis recommencez.
error-MEANS-001 = Vous n’êtes pas connecté dans ce navigateur.
    .title = L’opération n’a pas abouti
    .action = Connectez-vous, puis recommencez.
error-MEANS-002 = Votre connexion date de plus de cinq minutes.
    .title = L’opération n’a pas abouti
    .action = Confirmez votre identité avant de modifier vos moyens d’identification.
error-MEANS-003 = Cette connexion ne suffit pas pour modifier vos moyens d’identification.
    .title = L’opération n’a pas abouti
    .action = Connectez-vous avec votre carte et son code, ou avec votre clé de sécurité.
error-MEANS-004 = Un moyen ajouté depuis moins de 24 heures ne permet pas d’en modifier d’autres.
    .title = L’opération n’a pas abouti
    .action = Connectez-vous avec un moyen plus ancien, attendez demain, ou adressez-vous à l’accueil.
error-MEANS-005 = Le moyen de cette session n’est plus enregistré.
    .title = L’opération n’a pas abouti
    .action = Connectez-vous de nouveau.
error-MEANS-006 = Ce moyen n’est pas l’un des vôtres, ou n’existe plus.
    .title = L’opération n’a pas abouti
    .action = Rechargez la page.

## Le guichet

desk-title = Guichet des moyens d’identification
desk-lead = Recherchez la personne qui se présente.
desk-find = Nom, prénom ou identifiant national
desk-find-hint = Trois caractères au moins ; soit le nom, soit le prénom. Votre recherche est tracée.
desk-find-start = Rechercher
desk-found = Personnes trouvées
desk-found-none = Personne ne correspond à cette recherche.
desk-found-more = D’autres personnes correspondent : précisez votre recherche.
desk-unlinked = Sans lien avec l’établissement
desk-disabled = Compte désactivé
desk-gets-nothing = Cette personne ne peut rien recevoir ici. Vous pouvez seulement suspendre ou révoquer ses moyens.
desk-means = Ses moyens d’identification
desk-handed-out = Remise au guichet le { $at }
desk-hand-out = Confirmer la remise à la personne
desk-resume = Remettre en service et rendre à la personne
desk-suspend = Suspendre
desk-suspend-hint = Ce moyen ne permettra plus de se connecter tant qu’il n’aura pas été rendu à la personne, au guichet. Les sessions ouvertes avec lui seront fermées.
desk-suspend-confirm = Suspendre ce moyen
desk-revoke = Révoquer
desk-revoke-confirm = Révoquer ce moyen
desk-reason = Motif
desk-reason-lost = Perdu
desk-reason-stolen = Volé
desk-reason-damaged = Abîmé
desk-reason-given-back = Rendu
desk-reason-doubt = Doute sur son utilisation
desk-phone = Associer un téléphone
desk-phone-hint = La personne tient son téléphone et vise le code qui va s’afficher. Le téléphone montre six chiffres : elle vous les lit, vous les tapez ici.
desk-check = Vérification d’identité
desk-check-hint = La personne est devant vous. Regardez l’original d’un document en cours de validité, avec sa photo, et comparez le nom. Ne notez pas son numéro, n’en faites pas de copie.
desk-document = Document présenté
desk-document-identity-card = Carte nationale d’identité
desk-document-passport = Passeport
desk-document-residence-permit = Titre de séjour
desk-document-driving-licence = Permis de conduire
desk-document-staff-card = Carte de l’établissement avec photo
desk-check-confirm = J’ai vérifié son identité
desk-checked = Identité vérifiée
desk-checked-hint = Valable dix minutes, pour une seule opération.
desk-key = Remettre une clé de sécurité
desk-key-hint = Branchez la clé sur ce poste. La personne choisit elle-même son code et touche la clé ; vous ne devez pas voir le code.
desk-other = Rechercher une autre personne

## Les refus du guichet

error-DESK-001 = Vous n’avez pas accès au guichet.
    .title = Accès refusé
    .action = Si vous devez y travailler, demandez le rôle à votre service informatique.
error-DESK-002 = Votre connexion date de plus de quinze minutes.
    .title = L’opération n’a pas abouti
    .action = Connectez-vous de nouveau au guichet.
error-DESK-003 = Cette connexion ne suffit pas pour travailler au guichet.
    .title = Accès refusé
    .action = Connectez-vous avec votre carte et son code, ou avec une clé de sécurité du niveau demandé.
error-DESK-004 = Le moyen de cette connexion n’est pas enregistré, ou l’est depuis moins de 24 heures.
    .title = Accès refusé
    .action = Connectez-vous avec votre carte, ou avec un moyen plus ancien.
error-DESK-005 = Vous ne pouvez pas modifier vos propres moyens au guichet.
    .title = L’opération n’a pas abouti
    .action = Passez par « Mes moyens d’identification », ou demandez à un collègue du guichet.
error-DESK-006 = Cette personne n’est pas connue ici.
    .title = L’opération n’a pas abouti
    .action = Recherchez-la de nouveau.
error-DESK-007 = Cette personne ne peut rien recevoir : son compte est désactivé, ou elle n’a pas de lien avec l’établissement.
    .title = L’opération n’a pas abouti
    .action = Vérifiez avec les ressources humaines, puis avec votre service informatique.
error-DESK-008 = Aucune vérification d’identité n’est en cours pour cette personne.
    .title = L’opération n’a pas abouti
    .action = Vérifiez son identité : une vérification vaut dix minutes et une seule opération.
error-DESK-009 = Ce moyen a changé entre-temps.
    .title = L’opération n’a pas abouti
    .action = Revenez à la personne et regardez l’état de ses moyens.
error-DESK-010 = Cette demande est incomplète.
    .title = L’opération n’a pas abouti
    .action = Revenez en arrière et recommencez ; une recherche compte de 3 à 100 caractères.
error-DESK-011 = Les clés de sécurité ne sont pas activées ici.
    .title = L’opération n’a pas abouti
    .action = Adressez-vous à votre service informatique.
error-DESK-012 = Les téléphones ne sont pas activés ici.
    .title = L’opération n’a pas abouti
    .action = Adressez-vous à votre service informatique.
error-MEANS-007 = Ce poste est partagé : vos moyens d’identification ne s’y modifient pas.
    .title = L’opération n’a pas abouti
    .action = Utilisez un poste qui n’est pas partagé, ou adressez-vous à l’accueil.
error-MEANS-008 = Ce moyen ne peut pas être renouvelé maintenant.
    .action = Une clé se renouvelle dans les trois mois qui précèdent son terme. Ensuite, adressez-vous à l’accueil.
error-MEANS-009 = Cette connexion ne suffit pas pour renouveler cette clé.
    .action = Connectez-vous avec un autre moyen, au moins aussi sûr que cette clé, ou adressez-vous à l’accueil.

# The phone.
phone-pair = Ajouter un téléphone
phone-pair-hint = Votre téléphone répondra pour vous quand vous vous connecterez sur un poste. Il lui faut une empreinte, un visage ou un code de déverrouillage.
phone-pair-start = Afficher le code
phone-pair-scan = Visez ce code avec l’appareil photo du téléphone. Il est valable 90 secondes.
phone-pair-code = Code à scanner avec votre téléphone
phone-pair-taken = Un téléphone a lu le code. Continuez sur le téléphone.
phone-pair-digits = Les six chiffres affichés par votre téléphone
phone-pair-confirm = Confirmer
phone-scan-lead = Ouvrez l’application Sceau sur votre téléphone, touchez « Scanner le code » et visez ce code.
phone-scan-code = Code à scanner avec l’application du téléphone
phone-waiting = Continuez sur votre téléphone
    .detail = Cette page avancera d’elle-même.
phone-number-lead = Tapez ce nombre sur votre téléphone, dans l’application Sceau :
phone-number-hint = Rien ne s’affiche sur le téléphone ? Ouvrez l’application. Vérifiez aussi l’identifiant ; hors de l’établissement, cette page doit avoir déjà servi avec votre carte ou votre clé.
phone-other = Je ne peux pas scanner
phone-number-start = Afficher un nombre
phone-again = Recommencer
phone-title = Sceau sur ce téléphone
phone-unsupported = Ce navigateur ne sait pas garder une clé d’accès. Utilisez la dernière version de Safari, de Chrome ou de Firefox.
phone-unpaired = Ce téléphone n’est pas encore associé à votre compte.
phone-unpaired-how = Sur un poste, connectez-vous, ouvrez « Mes moyens d’identification », puis « Ajouter un téléphone », et visez le code avec l’appareil photo de ce téléphone.
phone-pair-whose = Associer ce téléphone au compte de :
phone-pair-only = Ne continuez que si c’est votre compte et si vous venez de demander ce code vous-même.
phone-label = Nom de ce téléphone (facultatif)
phone-label-example = Téléphone de service
phone-pair-do = Associer ce téléphone
phone-digits-lead = Tapez ces chiffres sur le poste qui a affiché le code. Au guichet, lisez-les à la personne qui vous reçoit :
phone-digits-hint = Personne ne doit vous les demander ailleurs.
phone-nothing = Aucune demande en attente.
phone-scan = Scanner le code
phone-push = Notifications
phone-push-off = Ce téléphone peut vous prévenir quand une demande vous attend, même application fermée.
phone-push-do = Recevoir les notifications
phone-push-on = Ce téléphone vous prévient quand une demande vous attend.
phone-push-end = Ne plus recevoir les notifications
phone-push-denied = Les notifications sont refusées pour ce site. Vous pouvez les autoriser dans les réglages du navigateur ; sinon, ouvrez l’application : elle affiche ce qui vous attend.
phone-push-absent = Ce navigateur ne sait pas prévenir. Sur un iPhone, ajoutez d’abord l’application à l’écran d’accueil ; sinon, ouvrez-la : elle affiche ce qui vous attend.
phone-push-failed = Ce navigateur n’a pas pu s’abonner aux notifications. Ouvrez l’application : elle affiche ce qui vous attend.
phone-push-title = Sceau
phone-push-body = Une demande d’identification vous attend.
phone-camera = Visez le code de la page de connexion.
phone-question = Est-ce bien vous qui vous connectez à :
phone-place = D’où
phone-inside = Réseau de l’établissement
phone-outside = Hors de l’établissement
phone-anywhere = Lieu inconnu : seul l’autre écran le sait
phone-browser = Navigateur
phone-program = Un logiciel, sans navigateur
phone-new-browser = Nouveau navigateur
phone-type = Le nombre affiché sur l’autre écran
phone-approve = C’est moi, approuver
phone-refuse = Refuser
phone-not-me = Ce n’est pas moi
phone-approved = C’est fait
    .detail = L’autre écran avance de lui-même.
phone-refused = Demande refusée
    .detail = Personne n’a été connecté.
phone-guarded = Demande refusée, compte protégé
    .detail = Personne n’a été connecté, et personne ne pourra vous envoyer de demande pendant 24 heures. Scanner un code reste possible. Prévenez la sécurité informatique.
phone-home = Retour aux demandes
phone-working = Un instant…
phone-cancelled = Rien n’a été envoyé
    .detail = La vérification a été interrompue ou a pris trop de temps. Recommencez.
phone-no-camera = L’appareil photo n’est pas disponible
    .detail = Autorisez l’appareil photo pour cette page, ou demandez un nombre sur l’autre écran.
error-PHONE-001 = Le message du téléphone n’a pas été compris.
    .action = Rechargez l’application et recommencez.
error-PHONE-002 = Ce message ne vient pas de ce téléphone.
    .action = Si le téléphone est bien le vôtre, associez-le de nouveau.
error-PHONE-003 = L’heure de ce téléphone n’est pas la bonne.
    .action = Réglez l’heure automatiquement, puis recommencez.
error-PHONE-004 = Ce téléphone n’est plus associé.
    .action = Associez-le de nouveau depuis « Mes moyens d’identification ».
error-PHONE-005 = Ce téléphone ne peut plus répondre.
    .action = Il est suspendu, révoqué ou trop ancien. Adressez-vous au guichet, ou associez un téléphone.
error-PHONE-006 = Ce code n’est plus valable.
    .action = Demandez un nouveau code sur le poste.
error-PHONE-007 = Ce ne sont pas les chiffres du téléphone.
    .action = Relisez-les sur votre téléphone et recommencez.
error-PHONE-008 = Trop d’essais : l’association est abandonnée.
    .action = Demandez un nouveau code.
error-PHONE-009 = Ce téléphone est déjà associé.
    .action = Retirez-le d’abord de vos moyens d’identification.
error-PHONE-010 = Le téléphone n’a pas vérifié que c’était vous.
    .action = Activez le déverrouillage par empreinte, visage ou code, puis recommencez.
error-PHONE-011 = La clé d’accès du téléphone n’a pas été acceptée.
    .action = Recommencez. Si cela se répète, associez le téléphone de nouveau.
error-PHONE-012 = Cette demande n’attend plus.
    .action = Recommencez sur l’autre écran.
error-PHONE-013 = Ce code est trop ancien, ou n’est pas un code de connexion.
    .action = Visez le code affiché en ce moment par la page de connexion.
error-PHONE-014 = Ce n’était pas le bon nombre : la demande est abandonnée.
    .action = Recommencez sur l’autre écran. Si vous n’aviez rien demandé, prévenez la sécurité informatique.
error-PHONE-015 = La réponse ne correspond pas à ce qui était affiché.
    .action = Recommencez. Si cela se répète, prévenez la sécurité informatique.
error-PHONE-016 = Vous vous connectez sur le téléphone lui-même.
    .action = Choisissez « Clé de sécurité » sur la page de connexion : la clé d’accès de ce téléphone suffit.
error-PHONE-017 = Ce navigateur n’est pas connu, et il est hors de l’établissement.
    .action = Connectez-vous-y une première fois avec votre carte ou votre clé de sécurité.
error-PHONE-018 = La demande a été refusée sur le téléphone.
    .action = Si c’était une erreur, recommencez.
error-PHONE-019 = Personne n’a répondu sur le téléphone.
    .action = Ouvrez l’application sur le téléphone, puis recommencez.
error-PHONE-020 = Cette connexion est terminée, ou a commencé dans un autre navigateur.
    .action = Recommencez depuis le service.
error-PHONE-021 = Ce service demande plus qu’un téléphone.
    .action = Connectez-vous avec votre carte ou votre clé de sécurité.
error-PHONE-022 = Les téléphones ne sont pas prévenus ici.
    .action = Ouvrez l’application : elle affiche ce qui vous attend.
error-PHONE-023 = L’abonnement de ce navigateur n’a pas été accepté.
    .action = Fermez l’application, rouvrez-la et recommencez. En attendant, elle affiche ce qui vous attend.
error-PHONE-024 = Le service de notifications de ce navigateur n’est pas autorisé ici.
    .action = Utilisez Safari, Chrome, Edge ou Firefox, ou ouvrez l’application : elle affiche ce qui vous attend.
error-PHONE-040 = Trop de pages attendent un téléphone en ce moment.
    .action = Réessayez dans quinze secondes, ou connectez-vous avec votre carte ou votre clé de sécurité.
error-PHONE-027 = Ce téléphone ne peut pas être associé à cette personne.
    .action = Quelqu’un du guichet s’en est servi pour se connecter. La personne présente doit utiliser son propre téléphone.
error-UPSTREAM-001 = Ce lien a été ouvert depuis un autre site.
    .action = Recommencez depuis la page de connexion.
error-UPSTREAM-002 = Ce fournisseur d’identité n’est pas connu ici.
    .action = Recommencez depuis le service.
error-UPSTREAM-003 = Cette connexion est terminée, ou a commencé dans un autre navigateur.
    .action = Recommencez depuis le service.
error-UPSTREAM-004 = Cette réponse a déjà servi, ou ne vient pas de cette connexion.
    .action = Recommencez depuis le service.
error-UPSTREAM-005 = La réponse est arrivée trop tard.
    .action = Recommencez, ou choisissez un autre moyen de connexion.
error-UPSTREAM-006 = Cette réponse arrive dans un autre navigateur que celui où la connexion a commencé.
    .action = Recommencez depuis le service, et restez dans le même navigateur. Si vous n’avez rien demandé, fermez cette page.
error-UPSTREAM-007 = Le fournisseur d’identité ne répond pas.
    .action = Choisissez un autre moyen de connexion, ou recommencez dans quelques minutes.
error-UPSTREAM-008 = La réponse du fournisseur d’identité n’est pas acceptable.
    .action = Choisissez un autre moyen de connexion et prévenez le service informatique.
error-UPSTREAM-009 = La connexion a été refusée ou abandonnée chez le fournisseur d’identité.
    .action = Recommencez, ou choisissez un autre moyen de connexion.
error-UPSTREAM-010 = Ce service demande de vous identifier de nouveau, ce que le fournisseur d’identité n’a pas fait.
    .action = Choisissez un autre moyen de connexion.
error-UPSTREAM-011 = Le fournisseur d’identité ne donne pas votre identifiant national.
    .action = Choisissez un autre moyen de connexion et prévenez le service informatique.
error-UPSTREAM-012 = Cette identité n’est encore rattachée à personne dans cet établissement.
    .action = Choisissez un autre moyen de connexion.
error-UPSTREAM-013 = Le fournisseur d’identité et cet établissement ne s’accordent pas sur votre identité.
    .action = Choisissez un autre moyen de connexion et prévenez le service informatique.
error-UPSTREAM-014 = Ce service demande un moyen de connexion plus sûr que celui-ci.
    .action = Connectez-vous avec votre carte ou votre clé de sécurité.
